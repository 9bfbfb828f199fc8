// Starts workers, all from one file.
import type { LiveBackend } from "./backend";
import { type Role, workerName } from "./worker_name";

/** Starts a worker that computes with `backend`. */
export function startWorker(role: Role, backend: LiveBackend): Worker {
  return new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: workerName(role, backend) });
}

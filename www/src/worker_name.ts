// The name of a worker says what it is for and what computes.
import type { LiveBackend } from "./backend";

/** What the page starts a worker for: runs and certifications, or equations. */
export type Role = "run" | "equations";

/** The name of a worker that trains replicas for another one. */
export const MEMBER_NAME = "lastbit-member";

/** The name of a worker. */
export const workerName = (role: Role, backend: LiveBackend): string => `lastbit-${role}-${backend}`;

/** What {@link workerName} was called with. */
export function parseWorkerName(name: string): { role: Role; backend: LiveBackend } {
  return { role: name.includes("equations") ? "equations" : "run", backend: name.endsWith("processor") ? "processor" : "webgpu" };
}

/** Whether a worker trains replicas for another one. */
export const isMember = (name: string): boolean => name === MEMBER_NAME;

// The worker of the equations: one `Equations` that answers calls in order.
import type { Equations } from "../../pkg/lastbit_web";
import type { Core } from "../core";
import type { Answer, Call } from "./messages";

let equations: Promise<Equations> | undefined;
let tail: Promise<void> = Promise.resolve();

async function create(core: Promise<Core>, double: boolean): Promise<Equations> {
  const { Equations } = await core;
  return Equations.make(double);
}

async function answer(core: Promise<Core>, { id, double, method, parameters }: Call): Promise<void> {
  try {
    equations ??= create(core, double);
    const created = await equations;
    const call = created[method] as (...values: unknown[]) => unknown;
    const value = await call.apply(created, parameters);
    postMessage({ id, value } satisfies Answer);
  } catch (error) {
    postMessage({ id, error: error instanceof Error ? error.message : String(error) } satisfies Answer);
  }
}

/** Answers the calls of a client. `core` is settled once the core is loaded. */
export function answerCalls(core: Promise<Core>): void {
  onmessage = ({ data }: MessageEvent<Call>) => {
    tail = tail.then(() => answer(core, data));
  };
}

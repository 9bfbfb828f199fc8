// The worker of the equations: one `Equations` that answers calls in order.
import { Equations } from "../../pkg/lastbit_web";
import type { Answer, Call } from "./messages";

let equations: Promise<Equations> | undefined;
let tail: Promise<void> = Promise.resolve();

async function create(core: Promise<unknown>, processor: boolean): Promise<Equations> {
  await core;
  return Equations.make(processor);
}

async function answer(core: Promise<unknown>, { id, processor, method, parameters }: Call): Promise<void> {
  try {
    equations ??= create(core, processor);
    const created = await equations;
    const call = created[method] as (...values: unknown[]) => unknown;
    const value = await call.apply(created, parameters);
    postMessage({ id, value } satisfies Answer);
  } catch (error) {
    postMessage({ id, error: error instanceof Error ? error.message : String(error) } satisfies Answer);
  }
}

/** Answers the calls of a client. `core` is settled once the core is loaded. */
export function answerCalls(core: Promise<unknown>): void {
  onmessage = ({ data }: MessageEvent<Call>) => {
    tail = tail.then(() => answer(core, data));
  };
}

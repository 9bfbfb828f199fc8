// The worker of the equations: the core as WebAssembly, with one `Equations` that answers calls in order.
import init, { Equations } from "../../pkg/lastbit_web";
import wasmUrl from "../../pkg/lastbit_web_bg.wasm?url";
import type { Answer, Call } from "./messages";

let equations: Promise<Equations> | undefined;
let tail: Promise<void> = Promise.resolve();

async function create(processor: boolean): Promise<Equations> {
  await init({ module_or_path: wasmUrl });
  return Equations.make(processor);
}

async function answer({ id, processor, method, parameters }: Call): Promise<void> {
  try {
    equations ??= create(processor);
    const created = await equations;
    const call = created[method] as (...values: unknown[]) => unknown;
    const value = await call.apply(created, parameters);
    postMessage({ id, value } satisfies Answer);
  } catch (error) {
    postMessage({ id, error: error instanceof Error ? error.message : String(error) } satisfies Answer);
  }
}

onmessage = ({ data }: MessageEvent<Call>) => {
  tail = tail.then(() => answer(data));
};

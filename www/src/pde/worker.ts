// The worker of the equations: the core as WebAssembly, with one bench that answers calls in order.
import init, { Bench } from "../../pkg/lastbit_web";
import wasmUrl from "../../pkg/lastbit_web_bg.wasm?url";
import type { Answer, Call } from "./messages";

let bench: Promise<Bench> | undefined;
let tail: Promise<void> = Promise.resolve();

async function make(processor: boolean): Promise<Bench> {
  await init({ module_or_path: wasmUrl });
  return Bench.make(processor);
}

async function answer({ id, processor, method, parameters }: Call): Promise<void> {
  try {
    bench ??= make(processor);
    const made = await bench;
    const call = made[method] as (...values: unknown[]) => unknown;
    const value = await call.apply(made, parameters);
    postMessage({ id, value } satisfies Answer);
  } catch (error) {
    postMessage({ id, error: error instanceof Error ? error.message : String(error) } satisfies Answer);
  }
}

onmessage = ({ data }: MessageEvent<Call>) => {
  tail = tail.then(() => answer(data));
};

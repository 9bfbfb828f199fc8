// Loads the core as WebAssembly: a module for WebGPU and one for the processor, of which a visitor downloads one.
import processorUrl from "../pkg/processor/lastbit_web_bg.wasm?url";
import webgpuUrl from "../pkg/lastbit_web_bg.wasm?url";
import type { LiveBackend } from "./backend";
import { messageOf } from "./message_of";
import { loadError } from "./wasm_policy";

/** What both modules export. */
export type Core = Pick<typeof import("../pkg/lastbit_web"), "certify" | "Equations" | "Lab">;

/** Loads the module of `backend`. Called once in a worker. The `name` of an error is the fault `load`. */
export async function loadCore(backend: LiveBackend): Promise<Core> {
  const isProcessor = backend === "processor";
  // The module is on its way while the code that binds it loads.
  const module_or_path = fetch(isProcessor ? processorUrl : webgpuUrl);
  module_or_path.catch(() => undefined);
  try {
    const bindings = await (isProcessor ? import("../pkg/processor/lastbit_web") : import("../pkg/lastbit_web"));
    await bindings.default({ module_or_path });
    return bindings as unknown as Core;
  } catch (error) {
    const forbidden = loadError(error);
    if (forbidden !== error) throw forbidden;
    const fault = new Error(`the code that trains did not load (${messageOf(error)}): reload the page`, { cause: error });
    fault.name = "load";
    throw fault;
  }
}

// Loads the core as WebAssembly: a module for WebGPU and one for the processor, of which a visitor downloads one.
import processorUrl from "../pkg/processor/lastbit_web_bg.wasm?url";
import webgpuUrl from "../pkg/lastbit_web_bg.wasm?url";
import type { LiveBackend } from "./backend";
import { messageOf } from "./message_of";
import { loadError } from "./wasm_policy";

/** What both modules export, and what only the processor's has. */
export type Core = Pick<typeof import("../pkg/lastbit_web"), "certify" | "Equations"> &
  Pick<typeof import("../pkg/processor/lastbit_web"), "Lab" | "TeamMember">;

/** Downloads and compiles the module of `backend`. */
export async function compileCore(backend: LiveBackend): Promise<WebAssembly.Module> {
  const response = await fetch(backend === "processor" ? processorUrl : webgpuUrl);
  if (!response.ok) throw new Error(`${response.url} is answered with ${response.status}`);
  // Some hosts do not name the type, without which a browser compiles only what has arrived whole.
  const isNamed = response.headers.get("Content-Type")?.startsWith("application/wasm") === true;
  return isNamed ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}

/** Binds the `compiled` module of `backend`. Called once in a worker. The `name` of an error is the fault `load`. */
export async function loadCore(backend: LiveBackend, compiled: Promise<WebAssembly.Module>): Promise<Core> {
  compiled.catch(() => undefined);
  try {
    // The module is on its way while the code that binds it loads.
    const bindings = await (backend === "processor" ? import("../pkg/processor/lastbit_web") : import("../pkg/lastbit_web"));
    await bindings.default({ module_or_path: await compiled });
    return bindings as unknown as Core;
  } catch (error) {
    const forbidden = loadError(error);
    if (forbidden !== error) throw forbidden;
    const fault = new Error(`the code that trains did not load (${messageOf(error)}): reload the page`, { cause: error });
    fault.name = "load";
    throw fault;
  }
}

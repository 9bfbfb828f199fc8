// Names the most common fault of a host: a Content-Security-Policy that forbids WebAssembly. It is checked in the worker, which
// has the policy of its own script.

/** The smallest module: its magic number and version. */
const EMPTY = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** What the host has to change. */
export const FORBIDDEN =
  "this host's Content-Security-Policy header forbids WebAssembly: add 'wasm-unsafe-eval' to script-src in that header, as docs/HOSTING.md shows";

/** The error of a core that did not load, with the remedy if the policy is the reason. */
export function loadError(error: unknown, compile: (module: typeof EMPTY) => unknown = (module) => new WebAssembly.Module(module)): unknown {
  try {
    compile(EMPTY);
    return error;
  } catch {
    // The name is the kind of fault.
    return Object.assign(new Error(FORBIDDEN), { name: "load" });
  }
}

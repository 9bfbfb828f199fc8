// What computes on this page: WebGPU on a GPU, or the same kernels as WebAssembly on the processor. A browser that has neither
// shows recorded runs.
import { store, stored } from "./stored";
import { type Support, webgpuSupport } from "./webgpu";

/** What computes. */
export type Backend = "webgpu" | "processor" | "recorded";
/** A backend that trains. */
export type LiveBackend = Exclude<Backend, "recorded">;

/** What this browser offers, and what is used. */
export interface Found {
  backend: Backend;
  webgpu: Support;
  /** Whether the browser has the vectors of WebAssembly, which the processor's module needs. */
  simd: boolean;
}

/** Sent to the window when the reader has chosen another backend; the shell then opens the view again. */
export const BACKEND_CHANGED = "lastbit-backend";
const KEY = "backend";

/** A WebAssembly module with one function, whose body is `i32.const 0, i8x16.splat, drop`. */
const WITH_SIMD = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 65, 0, 253, 15, 26, 11);

let found: Promise<Found> | undefined;

/** Looks what the browser offers, once. */
export function findBackend(): Promise<Found> {
  return (found ??= look());
}

async function look(): Promise<Found> {
  // Some browsers and policies have no WebAssembly at all. The code for a GPU is WebAssembly, too.
  const hasWasm = typeof WebAssembly !== "undefined";
  const simd = hasWasm && WebAssembly.validate(WITH_SIMD);
  const webgpu = hasWasm ? await webgpuSupport() : withoutWasm();
  return { backend: choose(webgpu, simd, wish()), webgpu, simd };
}

function withoutWasm(): Support {
  return {
    ok: false,
    reason: "unsupported",
    why: "This browser lacks WebAssembly, which the code for a GPU needs.",
    remedy: "Allow WebAssembly in the browser’s settings, or use a current Chrome, Edge, Firefox or Safari.",
  };
}

/**
 * What computes: the backend that is wished for, if the browser has it; else a GPU before the processor, and the processor before a
 * software GPU, which is twenty times as slow.
 */
export function choose(webgpu: Support, simd: boolean, wished: string | undefined): Backend {
  if (wished === "recorded") return "recorded";
  if (wished === "webgpu" && webgpu.ok) return "webgpu";
  if (wished === "processor" && simd) return "processor";
  if (webgpu.ok && !webgpu.software) return "webgpu";
  if (simd) return "processor";
  return webgpu.ok ? "webgpu" : "recorded";
}

/** The backend that `?backend=` in the page's address names, or that the reader has chosen before. */
function wish(): string | undefined {
  return new URLSearchParams(location.search).get("backend") ?? stored(KEY) ?? undefined;
}

/** Computes with `backend` from now on, also in later visits. */
export function useBackend(backend: LiveBackend): void {
  store(KEY, backend);
  const address = new URL(location.href);
  address.searchParams.delete("backend");
  history.replaceState(null, "", address);
  found = findBackend().then((before) => ({ ...before, backend: choose(before.webgpu, before.simd, backend) }));
  dispatchEvent(new Event(BACKEND_CHANGED));
}

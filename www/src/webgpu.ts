// Checks whether this browser has WebGPU. If not, gives the reason and the remedy. The worker reads this file, too, so its texts are
// translated where they are shown.
import type { PlainText } from "./language/de";

/** Why there is no WebGPU. */
export type Reason = "insecure" | "unsupported" | "blocked";

/** The result of the check: the adapter's name; `software` is true if the processor does the work of a GPU. */
export type Support = { ok: true; name: string; software: boolean } | { ok: false; reason: Reason; why: PlainText; remedy: PlainText };

/** Asks the browser for WebGPU; {@link findBackend} decides what is used. `?webgpu=off` in the page's address pretends that there is none, to show the page without it. */
export async function webgpuSupport(): Promise<Support> {
  if (!isSecureContext) {
    return {
      ok: false,
      reason: "insecure",
      why: "WebGPU works on secure pages only, and this one came over plain HTTP.",
      remedy: "Open it over https://, or from this machine as http://localhost or http://127.0.0.1.",
    };
  }
  const gpu = "gpu" in navigator ? navigator.gpu : undefined;
  if (gpu === undefined || new URLSearchParams(location.search).get("webgpu") === "off") {
    return { ok: false, reason: "unsupported", ...browserAdvice(navigator.userAgent) };
  }
  const adapter = await gpu.requestAdapter().catch(() => null);
  if (adapter === null) {
    return {
      ok: false,
      reason: "blocked",
      why: "This browser supports WebGPU but offers no adapter: the graphics driver is missing, too old or on its block list.",
      remedy:
        "Turn on hardware acceleration in the browser's settings, update the graphics driver and restart the browser. chrome://gpu or about:support shows what is blocked.",
    };
  }
  return { ok: true, ...describe(adapter.info) };
}

/** The name of an adapter about which the browser reveals nothing. */
export const UNNAMED = "unnamed adapter";
/** The name of the processor, which computes without an adapter. */
export const PROCESSOR = "your processor";

/** An adapter's name, as far as the browser reveals it, and whether the processor does its work. */
export function describe({ vendor, architecture, device, description, isFallbackAdapter }: Partial<GPUAdapterInfo> = {}) {
  const given = description || [vendor, architecture || device].filter(Boolean).join(" ");
  const name = /swiftshader/i.test(given) ? "SwiftShader" : given || UNNAMED;
  return { name, software: isFallbackAdapter === true || /swiftshader|llvmpipe|basic render/i.test(given) };
}

/** The reason and the remedy in a browser without WebGPU, by its user agent. */
export function browserAdvice(userAgent: string): { why: PlainText; remedy: PlainText } {
  const linux = /Linux/.test(userAgent) && !/Android/.test(userAgent);
  if (/Firefox\//.test(userAgent)) {
    return {
      why: "This Firefox has WebGPU turned off, or is too old for it.",
      remedy: "Update Firefox (141 on Windows, 145 on macOS), or set dom.webgpu.enabled to true in about:config; or use Chrome or Edge.",
    };
  }
  if (/Chrom(e|ium)\/|Edg\//.test(userAgent)) {
    return {
      why: "This browser has WebGPU turned off, or is older than version 113.",
      remedy: linux
        ? "Update it, or open chrome://flags/#enable-unsafe-webgpu, enable the flag and restart the browser."
        : "Update it; if that does not help, open chrome://flags/#enable-unsafe-webgpu, enable the flag and restart the browser.",
    };
  }
  if (/Safari\//.test(userAgent)) {
    return {
      why: "This Safari has no WebGPU.",
      remedy: "Update to Safari 26 (macOS 26, iOS 26), or use a current Chrome, Edge or Firefox.",
    };
  }
  return { why: "This browser has no WebGPU.", remedy: "Use a current Chrome, Edge, Firefox or Safari." };
}

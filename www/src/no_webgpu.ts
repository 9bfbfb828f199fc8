// The page without WebGPU: why, and what to do.
import { h } from "./dom";
import type { Support } from "./webgpu";
import type { View } from "./view";

/** Explains what is missing. */
export function openWithoutWebgpu(support: Extract<Support, { ok: false }>): View {
  const element = h(
    "div",
    { class: "page", "data-testid": "no-webgpu" },
    h("h1", {}, "No WebGPU here"),
    h("p", { class: "lead", "data-testid": "no-webgpu-why" }, support.why),
    h("p", {}, support.remedy),
  );
  return { element, close: () => undefined };
}

// The page without WebGPU: the reason, the remedy, what still works, and recorded runs.
import { linkTo } from "./address";
import { h } from "./dom";
import { recordedRuns } from "./recorded/runs_view";
import "./style/recorded.css";
import type { View } from "./view";
import type { Support } from "./webgpu";

/** Explains why WebGPU is missing, and plays recorded runs. */
export function openWithoutWebgpu(support: Extract<Support, { ok: false }>): View {
  const recorded = recordedRuns();
  const element = h(
    "div",
    { class: "page", "data-testid": "no-webgpu", "data-reason": support.reason },
    h("h1", {}, "No WebGPU here"),
    h(
      "div",
      { class: "notice warn" },
      h("p", { class: "lead", "data-testid": "no-webgpu-why" }, support.why),
      h("p", { "data-testid": "no-webgpu-remedy" }, support.remedy),
    ),
    h(
      "p",
      {},
      "The lab trains networks on your GPU, so it needs WebGPU. The ",
      h("a", { href: linkTo("lesson/1") }, "lesson"),
      " works without it: it plays recorded runs, and the processor computes its equations.",
    ),
    recorded.element,
  );
  return { element, close: recorded.close };
}

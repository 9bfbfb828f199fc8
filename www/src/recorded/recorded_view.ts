// The lab where nothing can train: the reason, the remedy, what still works, and recorded runs.
import { linkTo } from "../address";
import type { Found } from "../backend";
import { h } from "../dom";
import { t, tNodes } from "../language/language";
import { backendWord } from "../lab/device";
import "../style/recorded.css";
import type { View } from "../view";
import { recordedRuns } from "./runs_view";

/** Explains why nothing trains here, and plays recorded runs. */
export function openRecorded({ webgpu, simd }: Found): View {
  const recorded = recordedRuns();
  const element = h(
    "div",
    { class: "page", "data-testid": "no-webgpu" },
    h("h1", {}, t("Recorded runs")),
    backendWord("recorded"),
    webgpu.ok || simd
      ? h("p", {}, t("This address asks for recorded runs. Remove “backend=recorded” from it to train live."))
      : h(
          "div",
          { class: "notice warn" },
          h("p", { class: "lead" }, t("This browser can train neither on a GPU nor on the processor.")),
          h("p", { "data-testid": "no-webgpu-why" }, t(webgpu.why), " ", t("It also lacks WebAssembly’s vectors (SIMD), which the processor’s code needs.")),
          h("p", { "data-testid": "no-webgpu-remedy" }, t(webgpu.remedy)),
        ),
    h(
      "p",
      {},
      ...tNodes("The {lesson} works here, too: it plays recorded runs, and computes its equations.", {
        lesson: h("a", { href: linkTo("lesson/1") }, t("lesson")),
      }),
    ),
    recorded.element,
  );
  return { element, close: recorded.close };
}

// What computes the lab's run: the choice between a GPU and the processor, and why there is no GPU.
import { linkTo } from "../address";
import { type Backend, type Found, type LiveBackend, useBackend } from "../backend";
import { h } from "../dom";

/** The backend in words, in the choice. */
const NAMES: Record<LiveBackend, (found: Found) => string> = {
  webgpu: ({ webgpu }) => (webgpu.ok ? `WebGPU on ${webgpu.name}${webgpu.software ? ", in software" : ""}` : "WebGPU"),
  processor: () => "Your processor (WebAssembly)",
};

/** The backends that this browser has. */
function available({ webgpu, simd }: Found): LiveBackend[] {
  return [...(webgpu.ok ? (["webgpu"] as const) : []), ...(simd ? (["processor"] as const) : [])];
}

/** The word that tests read. It is on every page that shows a run. */
export const backendWord = (backend: Backend): HTMLElement => h("span", { class: "hidden", "data-testid": "backend" }, backend);

/** Why there is no WebGPU, and what to do; `undefined` if there is. */
export function whyNoWebgpu({ webgpu }: Found): HTMLElement | undefined {
  if (webgpu.ok) return undefined;
  return h(
    "details",
    { class: "note" },
    h("summary", {}, "This is fine. Why not on a GPU?"),
    h("p", { "data-testid": "no-webgpu-why" }, webgpu.why),
    h("p", { "data-testid": "no-webgpu-remedy" }, webgpu.remedy),
  );
}

/** The panel. */
export function devicePanel(found: Found): HTMLElement {
  const backends = available(found);
  const choice = h("select", { "data-testid": "backend-choice" }, ...backends.map((value) => h("option", { value }, NAMES[value](found))));
  choice.value = found.backend;
  choice.addEventListener("change", () => useBackend(choice.value as LiveBackend));
  return h(
    "section",
    { class: "panel" },
    h("h2", {}, "This device"),
    h("label", { class: "field" }, h("span", {}, "Trains on"), choice),
    backendWord(found.backend),
    whyNoWebgpu(found),
    h(
      "p",
      { class: "note" },
      "The same run has the same bits on every device of one class. ",
      h("a", { href: linkTo("certify") }, "Does this device keep the promise?"),
    ),
  );
}

// What computes the lab's run: the choice between a GPU and the processor, and why there is no GPU.
import { linkTo } from "../address";
import { type Backend, type Found, type LiveBackend, useBackend } from "../backend";
import { h } from "../dom";
import { t } from "../language/language";
import { PROCESSOR, UNNAMED } from "../webgpu";

/** The backend in words, in the choice. */
const NAMES: Record<LiveBackend, (found: Found) => string> = {
  webgpu: ({ webgpu }) =>
    webgpu.ok ? t(webgpu.software ? "WebGPU on {adapter}, in software" : "WebGPU on {adapter}", { adapter: adapterName(webgpu.name) }) : "WebGPU",
  processor: () => t("Your processor (WebAssembly)"),
};

/** The backends that this browser has. */
function available({ webgpu, simd }: Found): LiveBackend[] {
  return [...(webgpu.ok ? (["webgpu"] as const) : []), ...(simd ? (["processor"] as const) : [])];
}

/** The name of an adapter in the page's language, if the page has given it. */
export function adapterName(name: string): string {
  const given = ([PROCESSOR, UNNAMED] as const).find((one) => one === name);
  return given === undefined ? name : t(given);
}

/** The word that tests read. It is on every page that shows a run. */
export const backendWord = (backend: Backend): HTMLElement => h("span", { class: "hidden", "data-testid": "backend" }, backend);

/** Why there is no WebGPU, and what to do; `undefined` if there is. */
export function whyNoWebgpu({ webgpu }: Found): HTMLElement | undefined {
  if (webgpu.ok) return undefined;
  return h(
    "details",
    { class: "note" },
    h("summary", {}, t("This is fine. Why not on a GPU?")),
    h("p", { "data-testid": "no-webgpu-why" }, t(webgpu.why)),
    h("p", { "data-testid": "no-webgpu-remedy" }, t(webgpu.remedy)),
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
    h("h2", {}, t("This device")),
    h("label", { class: "field" }, h("span", {}, t("Trains on")), choice),
    backendWord(found.backend),
    whyNoWebgpu(found),
    h(
      "p",
      { class: "note" },
      t("The same run has the same bits on every device of one class."),
      " ",
      h("a", { href: linkTo("certify") }, t("Does this device keep the promise?")),
    ),
  );
}

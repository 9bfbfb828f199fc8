// The linear one-layer equation: the plane of step size and weight decay, with theory and a run at the chosen point.
import { button, h, setText } from "../dom";
import { t } from "../language/language";
import { LinePlot } from "../plots/line_plot";
import { queryNumber, withClient, type Equation, type EquationOptions } from "./equation";
import { slider } from "../slider";
import { StabilityPlane } from "./plane";
import type { Terms } from "../terms";

/** Steps of a run: enough to see whether the weights grow. */
const STEPS = 60;
/** The paper's step size, on its image of 256 x 256; on the small image everything is smaller by the number of patches. */
const DT = 1e-8;
const [LARGE, SMALL] = [256, 64];
const REGIMES = [t("activated"), t("transitioning"), t("not activated")];
const TRANSITIONING = 1;
const COLUMNS = 160;

/** The letters of the equation, for `linear_params` of web/src/pde.rs. */
export const LINEAR_TERMS: Terms = [
  ["w", t("The weights: one kernel of 32 × 32, as a column of 1024 numbers.")],
  ["dt, α", t("The step size and the weight decay, which you choose. A step takes the share dt · α away from each weight.")],
  ["a", t("Prediction minus label, held at −0.5: the network is undecided, and the label is 1. It is negative, so this term makes weights grow.")],
  ["β", t("The steepness of the activation (Swish), here 1. Near zero its slope is 1/2 + β z / 2.")],
  ["G", t("The sum of patch times patch transposed over all 32 × 32 patches of the image, 1024 × 1024 numbers. Its largest eigenvalue, 1024 times the number of patches, belongs to the checkerboard.")],
  [t("Activation"), t("The formula is that of “transitioning”. With “activated”, s ⟨s, w⟩ / 8 replaces a β G w / 2, where s is the sum of the patches; with “not activated” only α w is left.")],
  [t("Units"), t("None: pixels are +1 or −1, and weights are plain numbers.")],
];

/** The linear equation. */
export function linear({ query, changed, seen }: EquationOptions = {}): Equation {
  let regime = queryNumber(query, "regime", 0, 2) ?? TRANSITIONING;
  let side = query?.has("side") === true ? (query.get("side") === "64" ? SMALL : LARGE) : undefined;
  let dt = queryNumber(query, "dt", 1e-12, 1) ?? Number.NaN;
  let alpha = queryNumber(query, "alpha", 1, 1e12) ?? Number.NaN;
  /** The point at the start: inside the stable region, at the paper's step size for this image. */
  let start: [dt: number, alpha: number] = [DT, Number.NaN];
  let restart = true;
  let wake: () => void = () => undefined;

  const plane = new StabilityPlane((newDt, newAlpha) => move(newDt, newAlpha));
  const exponents = { min: -12, max: 0, step: 0.005, value: -8, text: (value: number) => (10 ** value).toPrecision(3) };
  const dtSlider = slider(t("Step size dt"), { ...exponents, testid: "linear-dt" }, (value) => move(10 ** value, alpha));
  const alphaSlider = slider(t("Weight decay α"), { ...exponents, testid: "linear-alpha" }, (value) => move(dt, 10 ** value));
  const verdict = h("b", { "data-testid": "linear-verdict" }, "–");
  const [theoryCell, measuredCell] = ["linear-theory", "linear-measured"].map((id) => h("dd", { "data-testid": id }, "–")) as [HTMLElement, HTMLElement];
  const plot = new LinePlot({ title: t("Size of the weights"), note: t("|w| against the step"), log: true, height: 19, empty: t("Starting…") });

  function requestRun(): void {
    restart = true;
    wake();
  }

  function move(newDt: number, newAlpha: number): void {
    [dt, alpha] = [newDt, newAlpha];
    showPoint();
    changed?.();
    requestRun();
  }

  function showPoint(): void {
    dtSlider.set(Math.log10(dt));
    alphaSlider.set(Math.log10(alpha));
    plane.setPoint(dt, alpha);
  }

  function show(factor: number, norms: number[]): void {
    const stable = Math.abs(factor) <= 1;
    setText(verdict, t(stable ? "stable" : "unstable"));
    verdict.className = stable ? "good" : "bad";
    setText(theoryCell, factor.toFixed(4).replace("-", "−"));
    // Slower modes soon hide a mode that decays; the last steps show the dominant mode.
    const [before, last] = norms.slice(-2);
    setText(measuredCell, before === undefined || last === undefined || before === 0 ? "–" : (last / before).toFixed(4));
    const x = Float64Array.from(norms, (_, n) => n);
    plot.set({
      x,
      curves: [
        { label: t("computed"), colour: "c0", values: Float64Array.from(norms) },
        { label: t("theory, dominant mode"), colour: "ref", dashed: true, values: x.map((n) => norms.at(-1)! * Math.abs(factor) ** (n - norms.length + 1)) },
      ],
    });
  }

  const choices = h("fieldset", { class: "choices" }, h("legend", {}, t("Activation")));
  REGIMES.forEach((name, index) => {
    const radio = h("input", { type: "radio", name: "regime", value: index, "data-testid": `regime-${index}` });
    radio.checked = index === regime;
    radio.addEventListener("change", () => {
      regime = index;
      changed?.();
      requestRun();
    });
    choices.append(h("label", {}, radio, h("span", {}, name)));
  });
  const image = h("p", { class: "note" });
  const panel = h(
    "div",
    { class: "panel pde-controls" },
    h("div", { class: "fields" }, dtSlider.element, alphaSlider.element),
    choices,
    h(
      "dl",
      { class: "readout small" },
      h("div", {}, h("dt", {}, t("theory: a step multiplies |w| by")), theoryCell),
      h("div", {}, h("dt", {}, t("measured, last step")), measuredCell),
      h("div", {}, h("dt", {}, t("stability")), h("dd", {}, verdict)),
    ),
    h("div", { class: "toolbar" }, button(t("Back to the start"), () => move(...start), { "data-testid": "linear-reset" })),
    image,
  );
  const element = h("div", { class: "equation" }, panel, h("div", { class: "plot-grid" }, plane.element, plot.element));

  const end = withClient(element, async (client, isOver) => {
    const { software } = await client.adapter();
    side ??= software && !client.double ? SMALL : LARGE;
    setText(image, t("Image: a checkerboard of {side} × {side} pixels, kernel 32 × 32.", { side }));
    // The lowest stable weight decay, where the activation is steepest, sets the scale of the plane.
    const [unit] = await client.call("linear_bounds", side, TRANSITIONING, Float64Array.of(DT));
    const [least, most] = [unit! / 10, unit! * 100];
    start = [(DT * 12_960_000) / unit!, unit! * 1.5];
    if (Number.isNaN(dt)) dt = start[0];
    if (Number.isNaN(alpha)) alpha = start[1];
    const dts = Array.from({ length: COLUMNS }, (_, i) => (0.02 / unit!) * 200 ** (i / (COLUMNS - 1)));
    for (const [{ input }, low, high] of [[dtSlider, dts[0]!, dts.at(-1)!], [alphaSlider, least, most]] as const) {
      input.min = String(Math.log10(low));
      input.max = String(Math.log10(high));
    }
    let shown = -1;
    let wasStable: boolean | undefined;
    while (!isOver()) {
      restart = false;
      if (shown !== regime) {
        const flat = await client.call("linear_bounds", side, regime, Float64Array.from(dts));
        plane.setPlane({ dts, alphas: [least, most], bounds: dts.map((_, i) => [flat[2 * i]!, flat[2 * i + 1]!]) });
        shown = regime;
      }
      showPoint();
      const factor = await client.call("linear_factor", side, regime, alpha, dt);
      const norms = [...(await client.call("linear_open", side, regime, alpha, dt))];
      for (let n = 0; n < STEPS && !restart && !isOver(); n += 10) {
        norms.push(...(await client.call("linear_step", 10)));
        show(factor, norms);
      }
      const stable = Math.abs(factor) <= 1;
      if (wasStable !== undefined && wasStable !== stable) seen?.();
      wasStable = stable;
      if (!restart && !isOver()) await new Promise<void>((resolve) => (wake = resolve));
    }
  });

  return {
    element,
    query: () => ({
      regime: String(regime),
      ...(Number.isNaN(dt) ? {} : { dt: dt.toPrecision(4), alpha: alpha.toPrecision(4) }),
      ...(side === undefined ? {} : { side: String(side) }),
    }),
    close: () => {
      end();
      wake();
      plane.close();
      plot.close();
    },
  };
}

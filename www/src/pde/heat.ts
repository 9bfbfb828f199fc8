// The heat equation with a slider for the step size: an instability that nothing restrains.
import { button, h, setText } from "../dom";
import { t } from "../language/language";
import { readableNumber, showNumber, withPower } from "../numbers";
import { LinePlot } from "../plots/line_plot";
import { Drawing, drawAxes, type Surface } from "./canvas";
import { animationDelay, queryNumber, withClient, type Equation, type EquationOptions } from "./equation";
import { slider } from "../slider";

const STEPS = 120;
const FRAME_MS = 30;
const START = 0.4;
/** Ends of the slider. The largest stable step size lies between them. */
const [LEAST, MOST] = [0.3, 0.7];
/** Theory is not drawn below this value, because rounding keeps the computed zigzag above it. */
const SMALLEST = 1e-11;
/** A temperature that only a rod that blows up reaches: the start is 1.5 at most. */
const BLOWN_UP = 3;

/** The heat equation. */
export function heat({ query, changed, shown, seen }: EquationOptions = {}): Equation {
  let dt = queryNumber(query, "dt", LEAST, MOST) ?? START;
  let edge = Number.NaN;
  let restart = true;
  let [paused, over] = [false, false];
  let wake: () => void = () => undefined;
  let rod: number[] = [];
  const steps: number[] = [];
  const amplitudes: number[] = [];
  let factor = Number.NaN;

  const control = slider(
    t("Step size dt"),
    { min: LEAST, max: MOST, step: 0.001, value: dt, testid: "heat-dt", text: (value) => value.toFixed(3) },
    (value) => {
      dt = value;
      changed?.();
      again();
    },
  );
  const verdict = h("b", { "data-testid": "heat-verdict" }, "–");
  const [factorCell, edgeCell, stepCell, hottest] = ["heat-factor", "heat-edge", "heat-step", "heat-max"].map((id) =>
    h("dd", { "data-testid": id }, "–"),
  ) as [HTMLElement, HTMLElement, HTMLElement, HTMLElement];
  const rodPlot = new Drawing(t("Temperature along the rod"), t("Temperature at 31 points, between fixed ends"), 14, (surface) => paintRod(surface, rod));
  const growth = new LinePlot({
    title: t("Size of the zigzag"),
    note: t("the rod’s fastest mode"),
    log: true,
    height: 14,
    empty: t("Starting…"),
  });

  function again(): void {
    restart = true;
    paused = false;
    wake();
  }

  function setPaused(isPaused: boolean): void {
    paused = isPaused;
    wake();
    shown?.();
  }

  function show(): void {
    const stable = Math.abs(factor) <= 1;
    setText(verdict, Number.isNaN(factor) ? "–" : t(stable ? "stable" : "unstable"));
    verdict.className = stable ? "good" : "bad";
    setText(factorCell, Number.isNaN(factor) ? "–" : factor.toFixed(4).replace("-", "−"));
    setText(edgeCell, Number.isNaN(edge) ? "–" : edge.toFixed(5));
    setText(stepCell, String(steps.at(-1) ?? 0));
    showNumber(hottest, rod.reduce((most, u) => Math.max(most, Math.abs(u)), 0));
    rodPlot.changed();
    const x = Float64Array.from(steps);
    const theory = x.map((n) => (amplitudes[0] ?? 0) * Math.abs(factor) ** n);
    growth.set({
      x,
      curves: [
        { label: t("computed"), colour: "c0", values: Float64Array.from(amplitudes) },
        { label: t("theory"), colour: "ref", dashed: true, values: theory.map((value) => (value < SMALLEST ? Number.NaN : value)) },
      ],
    });
  }

  const panel = h(
    "div",
    { class: "panel pde-controls" },
    control.element,
    h(
      "dl",
      { class: "readout small" },
      h("div", {}, h("dt", {}, t("a step multiplies the zigzag by")), factorCell),
      h("div", {}, h("dt", {}, t("theory: stable up to")), edgeCell),
      h("div", {}, h("dt", {}, t("stability")), h("dd", {}, verdict)),
      h("div", {}, h("dt", {}, t("step")), stepCell),
      h("div", {}, h("dt", {}, t("hottest point")), hottest),
    ),
    h("div", { class: "toolbar" }, button(t("Run again"), again, { "data-testid": "heat-again" })),
  );
  const element = h("div", { class: "equation" }, panel, h("div", { class: "plot-grid" }, rodPlot.element, growth.element));

  const end = withClient(element, async (client, isOver) => {
    while (!isOver()) {
      restart = over = false;
      const runDt = dt;
      const theory = JSON.parse(await client.call("heat_theory", runDt)) as { edge: number; factor: number };
      ({ edge, factor } = theory);
      let row = await client.call("heat_open", runDt);
      steps.length = amplitudes.length = 0;
      for (let n = 0; ; n++) {
        steps.push(n);
        amplitudes.push(Math.abs(row[0]!));
        rod = [...row.slice(1)];
        over = n === STEPS;
        show();
        shown?.();
        if (rod.some((u) => Math.abs(u) > BLOWN_UP)) seen?.();
        if (restart || isOver() || over) break;
        await animationDelay(FRAME_MS);
        while (paused && !restart && !isOver()) await new Promise<void>((resolve) => (wake = resolve));
        if (restart || isOver()) break;
        row = await client.call("heat_step", 1);
      }
      if (!restart && !isOver()) await new Promise<void>((resolve) => (wake = resolve));
    }
  });

  return {
    element,
    query: () => ({ dt: String(dt) }),
    alone: {
      figure: rodPlot.element,
      running: () => !paused && !over,
      finished: () => over,
      step: () => steps.at(-1) ?? 0,
      play: () => (over ? again() : setPaused(false)),
      pause: () => setPaused(true),
    },
    close: () => {
      end();
      wake();
      rodPlot.close();
      growth.close();
    },
  };
}

/** Draws the rod between its fixed ends. The scale grows with values above 1.6. */
function paintRod(surface: Surface, rod: number[]): void {
  if (rod.length === 0) return;
  const { ctx, width, height, colour, rem } = surface;
  const most = rod.reduce((most, u) => Math.max(most, Math.abs(u)), 1.6);
  const least = rod.some((u) => u < -0.05) ? -most : 0;
  const box = { left: 4.2 * rem, top: 0.5 * rem, right: width - 0.6 * rem, bottom: height - 1.7 * rem };
  const atX = (i: number): number => box.left + ((box.right - box.left) * i) / (rod.length - 1);
  const atY = (u: number): number => box.bottom - ((box.bottom - box.top) * (u - least)) / (most - least);
  // “8 × 10⁵” is narrower than “760,000”, and than words.
  const text = (u: number): string => (Math.abs(u) >= 1e5 ? withPower(u.toExponential(0)) : readableNumber(Number(u.toPrecision(2))));
  const ticks = least < 0 ? [-most, -most / 2, 0, most / 2, most] : most === 1.6 ? [0, 0.5, 1, 1.5] : [0, most / 2, most];
  drawAxes(surface, box, { ticks: [0, 10, 20, 30], at: atX, text: String }, { ticks, at: atY, text });
  ctx.strokeStyle = ctx.fillStyle = colour("c0");
  ctx.lineWidth = 1.8;
  ctx.lineJoin = "round";
  ctx.beginPath();
  rod.forEach((u, i) => ctx.lineTo(atX(i), atY(u)));
  ctx.stroke();
  for (const [i, u] of rod.entries()) {
    ctx.beginPath();
    ctx.arc(atX(i), atY(u), 0.17 * rem, 0, 7);
    ctx.fill();
  }
}

// The nonlinear one-layer network: fixed point, period two, chaos and blow-up as the step size grows, for k = 1 and k = 3.
import { button, h, setText } from "../dom";
import { t } from "../language/language";
import { showNumber } from "../numbers";
import { LinePlot } from "../plots/line_plot";
import { Drawing, drawAxes, type Surface } from "./canvas";
import { animationDelay, queryNumber, withClient, type Equation, type EquationOptions } from "./equation";
import { slider } from "../slider";

const [LEAST, MOST] = [0.005, 0.13];
const START = 0.02;
/** Steps of a run, as in the paper's Figure 4. */
const STEPS = 1000;
/** Steps of one call. */
const BATCH = 8;
const FRAME_MS = 40;
const [LARGE, SMALL] = [256, 64];
/** The map of long-term losses: its columns, steps before the first point, points of a column. */
const MAP = { columns: 180, transient: 300, points: 60 };
/** Steps whose losses are drawn: more of a loss that hops at every step would fill the plot. */
const WINDOW = 150;
/** Losses above this are not drawn: the first steps fall from twenty. */
const LOSS_SHOWN = 2.5;
/** Milliseconds that the map may take in a round of the loop. */
const MAP_MS = 30;
/** Relative L1 at which k = 3 has visibly parted. */
const PARTED = 0.05;

/** The long-term behaviour at a step size, computed in float64 by the core. */
type Behaviour = { kind: "blows-up" } | { kind: "period"; period: number; exponent: number } | { kind: "chaos"; exponent: number };

/** The nonlinear one-layer network. */
export function nonlinear({ query, changed, shown, seen }: EquationOptions = {}): Equation {
  let dt = queryNumber(query, "dt", LEAST, MOST) ?? START;
  let [paused, restart, moved] = [false, false, false];
  /** Whether the run has blown up. */
  let over = false;
  let wake: () => void = () => undefined;
  let ks: number[] = [];
  let columns: number[][] = [];
  let steps: number[] = [];
  let marks: { x: number; label: string }[] = [];
  let settled: { loss: number; edge: number } | undefined;
  const orbits: { dt: number; losses: Float64Array }[] = [];

  const control = slider(
    t("Step size dt"),
    { min: LEAST, max: MOST, step: 0.0005, value: dt, testid: "nonlinear-dt", text: (value) => value.toFixed(4) },
    (value) => {
      dt = value;
      moved = true;
      changed?.();
      wake();
    },
  );
  const verdict = h("p", { class: "verdict", "data-testid": "nonlinear-verdict", "aria-live": "polite" });
  const stepCell = h("dd", { "data-testid": "nonlinear-step" }, "0");
  const apart = h("dd", { "data-testid": "nonlinear-apart" }, "0");
  const pause = button(t("Pause"), () => setPaused(!paused), { "data-testid": "nonlinear-pause" });
  const again = button(t("Start again"), () => {
    restart = true;
    wake();
  }, { "data-testid": "nonlinear-again" });
  const loss = new LinePlot({ title: t("Loss"), note: t("last {steps} steps, up to 2.5", { steps: WINDOW }), fromZero: true, height: 13, empty: t("Starting…") });
  const distance = new LinePlot({ title: t("Distance from k = 1"), note: t("relative L1 of the weights"), log: true, height: 13, empty: t("Starting…") });
  const map = new Drawing(
    t("Long-term losses by step size"),
    t("Losses after a long time against the step size: one value, then two, then a cloud of values, then none"),
    13,
    (surface) => paintMap(surface, orbits, dt, settled?.edge),
  );

  function setPaused(isPaused: boolean): void {
    paused = isPaused;
    setText(pause, t(paused ? "Resume" : "Pause"));
    wake();
    shown?.();
  }

  function show(): void {
    const x = Float64Array.from(steps);
    const column = (index: number): Float64Array => Float64Array.from(columns[index] ?? []);
    const n = ks.length;
    const colours = ["ref", "c0", "ctl"];
    const curve = (r: number, index: number) => ({ label: `k = ${ks[r]}`, colour: colours[r]!, dashed: r === 2, values: column(index) });
    const cut = (values: Float64Array): Float64Array => values.map((value) => (value > LOSS_SHOWN ? Number.NaN : value));
    const losses = [curve(1, 1), curve(0, 0)].map((each) => ({ ...each, values: cut(each.values) }));
    const from = Math.max(0, x.length - WINDOW);
    const recent = losses.map((each) => ({ ...each, values: each.values.subarray(from) }));
    loss.set({ x: x.subarray(from), curves: recent, marks: marks.filter((mark) => mark.x >= from) });
    distance.set({ x, curves: [curve(1, n + 1), curve(2, n + 2)], marks });
    setText(stepCell, String(steps.at(-1) ?? 0));
    const now = columns[n + 1]?.at(-1);
    showNumber(apart, Number.isFinite(now) ? now : undefined);
  }

  const isFinished = (): boolean => over || steps.length > STEPS;

  /** Adds rows, a step each; whether the run has blown up. */
  function append(rows: Float64Array): boolean {
    const width = 2 * ks.length;
    for (let at = 0; at < rows.length; at += width) {
      steps.push(steps.length);
      for (let c = 0; c < width; c++) (columns[c] ??= []).push(rows[at + c]!);
    }
    const parted = (columns[ks.length + 1]?.at(-1) ?? 0) > PARTED;
    if (parted) seen?.();
    // Losses and distances leave the range of float32 one after the other; the first one ends the run.
    return !rows.subarray(-width).every(Number.isFinite);
  }

  const panel = h(
    "div",
    { class: "panel pde-controls" },
    control.element,
    verdict,
    h("dl", { class: "readout small" }, h("div", {}, h("dt", {}, t("step")), stepCell), h("div", {}, h("dt", {}, t("distance of k = 3")), apart)),
    h("div", { class: "toolbar" }, pause, again),
  );
  const element = h(
    "div",
    { class: "equation" },
    panel,
    h("div", { class: "plot-grid" }, loss.element, distance.element),
    map.element,
    h("p", { class: "note" }, t("The map below the curves is computed with 64 bits a number (float64), each step size from the same start. Click it, or use the slider. Losses contain the weight decay’s part.")),
  );
  map.canvas.dataset["testid"] = "nonlinear-map";
  map.canvas.addEventListener("pointerdown", (event) => {
    const share = (event.offsetX - mapLeft()) / (map.frame.clientWidth - mapLeft() - mapRight());
    control.set(LEAST + Math.min(Math.max(share, 0), 1) * (MOST - LEAST));
    control.input.dispatchEvent(new Event("input"));
  });

  const end = withClient(element, async (client, isOver) => {
    const { software } = await client.adapter();
    const side = software && !client.double ? SMALL : LARGE;
    const theory = JSON.parse(await client.call("nonlinear_theory", side)) as { loss: number; edge: number; ks: number[] };
    settled = theory;
    ks = theory.ks;
    const showBehaviour = async (): Promise<void> => {
      const found = JSON.parse(await client.call("nonlinear_behaviour", side, dt)) as Behaviour;
      setText(verdict, behaviourText(found, theory));
      verdict.dataset["kind"] = found.kind === "period" ? `period-${found.period}` : found.kind;
    };
    const extendMap = async (): Promise<void> => {
      const end = performance.now() + MAP_MS;
      while (orbits.length < MAP.columns && performance.now() < end) {
        const at = LEAST + ((MOST - LEAST) * orbits.length) / (MAP.columns - 1);
        orbits.push({ dt: at, losses: await client.call("nonlinear_orbit", side, at, MAP.transient, MAP.points) });
        map.changed();
      }
    };
    restart = true;
    while (!isOver()) {
      if (restart) {
        [restart, moved, over] = [false, false, false];
        [columns, steps, marks] = [[], [], []];
        append(await client.call("nonlinear_open", side, dt));
        map.changed();
        await showBehaviour();
      }
      if (moved) {
        moved = false;
        // A run that blew up, or is at its end, restarts with the chosen step size.
        if (isFinished()) {
          restart = true;
          continue;
        }
        const newDt = dt;
        await client.call("nonlinear_change", newDt);
        const last = marks.at(-1);
        const mark = { x: steps.length, label: `dt ${newDt.toFixed(3)}` };
        if (last?.x === mark.x) marks.pop();
        marks.push(mark);
        await showBehaviour();
        map.changed();
      }
      const idle = paused || isFinished();
      if (!idle) {
        over = append(await client.call("nonlinear_step", BATCH));
        show();
        shown?.();
        await animationDelay(FRAME_MS);
      }
      await extendMap();
      if (idle && orbits.length === MAP.columns && !moved && !restart) await new Promise<void>((resolve) => (wake = resolve));
    }
  });

  return {
    element,
    query: () => ({ dt: String(dt) }),
    alone: {
      figure: distance.element,
      running: () => !paused && !isFinished(),
      finished: isFinished,
      step: () => steps.at(-1) ?? 0,
      play: () => {
        if (isFinished()) restart = true;
        setPaused(false);
      },
      pause: () => setPaused(true),
    },
    close: () => {
      end();
      wake();
      loss.close();
      distance.close();
      map.close();
    },
  };
}

/** The long-term behaviour as a sentence. */
export function behaviourText(found: Behaviour, { loss, edge }: { loss: number; edge: number }): string {
  if (found.kind === "blows-up") return t("Blow-up: the steps are too long, and nothing restrains the growth.");
  if (found.kind === "chaos") {
    const factor = Math.exp(found.exponent).toFixed(2);
    return t("Chaos: the loss never settles, and a difference grows {factor}-fold a step on average, until the copies have nothing in common.", { factor });
  }
  if (found.period === 1) return t("Settles at loss {loss}. Theory: it settles up to dt = {edge}.", { loss: loss.toFixed(4), edge: edge.toFixed(5) });
  return t("Hops between {period} values for ever. A difference dies out.", { period: found.period });
}

const mapLeft = (): number => 3.2 * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
const mapRight = (): number => 0.8 * Number.parseFloat(getComputedStyle(document.documentElement).fontSize);

function paintMap(surface: Surface, orbits: { dt: number; losses: Float64Array }[], dt: number, edge: number | undefined): void {
  const { ctx, width, height, colour, rem } = surface;
  const box = { left: mapLeft(), top: 0.6 * rem, right: width - mapRight(), bottom: height - 1.7 * rem };
  const most = 1.2;
  const atX = (value: number): number => box.left + ((box.right - box.left) * (value - LEAST)) / (MOST - LEAST);
  const atY = (value: number): number => box.bottom - ((box.bottom - box.top) * value) / most;
  const ticks = [0.02, 0.04, 0.06, 0.08, 0.1, 0.12];
  drawAxes(surface, box, { ticks, at: atX, text: String }, { ticks: [0, 0.4, 0.8, 1.2], at: atY, text: String });
  ctx.fillStyle = colour("ref");
  ctx.globalAlpha = 0.55;
  const dot = Math.max(1, rem / 13);
  for (const orbit of orbits) {
    for (const value of orbit.losses) if (value <= most) ctx.fillRect(atX(orbit.dt) - dot / 2, atY(value) - dot / 2, dot, dot);
  }
  ctx.globalAlpha = 1;
  ctx.textBaseline = "top";
  const line = (at: number, token: string, label: string): void => {
    ctx.strokeStyle = ctx.fillStyle = colour(token);
    ctx.beginPath();
    ctx.moveTo(atX(at), box.top);
    ctx.lineTo(atX(at), box.bottom);
    ctx.stroke();
    const fits = atX(at) + 7 * rem < box.right;
    ctx.textAlign = fits ? "left" : "right";
    const from = atX(at) + (fits ? 0.3 : -0.3) * rem;
    // An outline keeps the label readable over dots and the other line.
    ctx.strokeStyle = colour("paper");
    ctx.lineWidth = 0.35 * rem;
    ctx.setLineDash([]);
    ctx.strokeText(label, from, box.top);
    ctx.fillText(label, from, box.top);
  };
  ctx.lineWidth = 1.5;
  line(dt, "c1", "");
  ctx.setLineDash([4, 4]);
  ctx.lineWidth = 1;
  ctx.lineJoin = "round";
  if (edge !== undefined) line(edge, "good", t("settles up to here"));
  ctx.setLineDash([]);
}

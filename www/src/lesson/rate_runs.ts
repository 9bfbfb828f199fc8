// The live part of chapter 7: one run for each learning rate, all in one pair of plots: how far k = 3 is from k = 1, and what
// k = 1 has learned.
import { findBackend } from "../backend";
import { button, h, setText } from "../dom";
import { backendWord } from "../lab/device";
import { t, tNodes } from "../language/language";
import { messageOf } from "../message_of";
import { showNumber } from "../numbers";
import { commonAxis, onAxis } from "../plots/common_axis";
import { LinePlot } from "../plots/line_plot";
import { commandLine, defaults, type Values } from "../properties";
import { openRecording } from "../recorded/open";
import type { Player } from "../recorded/player";
import { Lamp } from "../run/lamp";
import { PublishedLamp } from "../run/published";
import { type RunSource, Session } from "../run/session";
import { LESSON_RUN, RATES, RECORDED_RATES } from "../run/smooth";
import { slider } from "../slider";
import type { Exhibit } from "./chapter";
import { comparableEnd, nextTarget, runningMean } from "./learning_time";
import { whereText } from "./run_panel";

/** Steps after which a run pauses. It can be run on, by as many steps again, up to the most. */
const STEPS = 100;
const MOST_STEPS = 1600;
/** The chapter counts as seen after one run with relative L1 above `parted`, and one below `together` after `steps` steps. */
const SEEN = { parted: 0.01, together: 1e-4, steps: 50 };
/** Batches over which a loss is averaged: a batch has 8 images, and its loss jumps. */
const MEAN_OF = 20;

/** The live run at `rate`. */
export function runAt(rate: number, steps = STEPS): Values {
  return defaults({ ...LESSON_RUN, activation: "swish", momentum: "0", lr: String(rate), steps: String(steps) });
}

/** The curves of a rate, which stay when the next run begins: step i + 1 is at index i. */
interface Curves {
  apart: Float64Array;
  loss: Float64Array;
}

/** The name of a curve in learning time: its rate, and how many steps of it are compared, which may be few. */
const stepsAt = (rate: number, steps: number): string => (steps === 1 ? t("{rate}: 1 step", { rate }) : t("{rate}: {steps} steps", { rate, steps }));

/** Creates the live part. */
export async function rateRuns(seen: () => void): Promise<Exhibit> {
  const { backend } = await findBackend();
  const live = backend !== "recorded";
  const rates = live ? RATES : RECORDED_RATES;
  const curves = new Map<number, Curves>();
  let rate = rates.at(-1)!;
  /** The rate of the newest run, the step at which it pauses, and whether the reader wants it to run. */
  let running: number | undefined;
  let target = STEPS;
  let isWanted = false;
  let byTime = false;
  const session = backend === "recorded" ? undefined : new Session(backend);
  let player: Player | undefined;
  let closed = false;

  const control = slider(
    t("Learning rate"),
    { min: 0, max: rates.length - 1, step: 1, value: rates.length - 1, testid: "lr", text: (index) => String(rates[index] ?? "") },
    (index) => {
      rate = rates[index]!;
      setText(start, t("Run at {rate}", { rate }));
    },
  );
  const start = button(t("Run at {rate}", { rate }), () => void run().catch(fail), { class: "primary", "data-testid": "start" });
  const runOn = button(t("Run on"), onward, { class: "run-on", "data-testid": "run-on", "aria-disabled": "true" });
  const pause = button(t("Pause"), () => {
    isWanted = false;
    (session ?? player)?.pause();
  }, { "data-testid": "pause" });
  const step = h("output", { "data-testid": "step" }, "0");
  const [loss, apart] = ["loss-k1", "rel-l1-k3"].map((id) => h("dd", { "data-testid": id }, "–")) as [HTMLElement, HTMLElement];
  const lamp = new Lamp();
  const published = new PublishedLamp();
  const distances = new LinePlot({ title: t("Distance of k = 3 from k = 1"), note: t("relative L1, one curve for each rate"), log: true, height: 16, labelEnds: true, empty: t("No run yet") });
  const losses = new LinePlot({ title: t("Loss of k = 1"), note: t("mean of the last {batches} batches; guessing has 2.3", { batches: MEAN_OF }), height: 10, empty: t("No run yet") });
  const where = h("p", { class: "note", "data-testid": "adapter" });
  const command = h("pre", {});
  const error = h("p", { class: "notice error", role: "alert", "data-testid": "error", hidden: true });

  const axes = h("fieldset", { class: "choices" }, h("legend", {}, t("Compare after the same")));
  for (const [id, name, isTime] of [["axis-steps", t("number of steps"), false], ["axis-time", t("learning time (rate × steps)"), true]] as const) {
    const radio = h("input", { type: "radio", name: "axis", value: id, "data-testid": id });
    radio.checked = !isTime;
    radio.addEventListener("change", () => {
      byTime = isTime;
      for (const plot of [distances, losses]) plot.zoomTo(undefined);
      showCurves();
    });
    axes.append(h("label", {}, radio, h("span", {}, name)));
  }

  function showCurves(): void {
    const tried = [...curves].sort(([a], [b]) => a - b);
    const positions = tried.map(([of, { loss: values }]) => values.map((_, index) => (index + 1) * (byTime ? of : 1)));
    const all = commonAxis(positions.map((position) => ({ x: position, values: position })));
    // A high rate reaches a long learning time at once; up to its end, a small one would be a stroke at the left edge.
    const ends = tried.map(([of], index) => ({ of, end: positions[index]!.at(-1) ?? 0 }));
    const end = comparableEnd(ends.find(({ of }) => of === running)?.end ?? 0, ends.filter(({ of }) => of !== running).map((other) => other.end));
    const x = byTime ? all.filter((at) => at <= end) : all;
    const plotted = (name: keyof Curves, isLog: boolean) =>
      tried.map(([of, found], index) => ({
        end: String(of),
        label: byTime ? stepsAt(of, positions[index]!.filter((at) => at <= end).length) : String(of),
        colour: `r${RATES.indexOf(of)}`,
        values: onAxis({ x: positions[index]!, values: found[name] }, x, isLog),
        dashed: of !== running,
      }));
    const xName = byTime ? t("learning time") : undefined;
    distances.set({ x, curves: plotted("apart", true), xName });
    losses.set({ x, curves: plotted("loss", false), xName });
  }

  /** Steps of the newest run that are shown. A fast GPU takes some more before it has paused. */
  function shownSteps({ record }: Pick<RunSource, "record">): number {
    return session === undefined ? (record?.lastStep() ?? 0) : Math.min(record?.lastStep() ?? 0, target);
  }

  /** Shows the current state of the run. */
  function update(source: RunSource): void {
    lamp.update(source);
    published.update(source);
    const { record, opened } = source;
    const fault = session?.error;
    error.hidden = fault === undefined;
    setText(error, fault?.message ?? "");
    if (record === undefined || running === undefined) return;
    const three = record.ks.indexOf(3);
    const steps = shownSteps(source);
    const [distance, batchLoss] = [record.columns.relL1[three]!, record.columns.loss[0]!].map((column) => column.values().slice(0, steps)) as [Float64Array, Float64Array];
    curves.set(running, { apart: distance, loss: runningMean(batchLoss, MEAN_OF) });
    setText(step, String(steps));
    showNumber(loss, batchLoss.at(-1));
    showNumber(apart, distance.at(-1));
    showRunOn(source);
    setText(where, whereText(live, opened));
    showCurves();
    const ends = [...curves.values()].map(({ apart: values }) => ({ steps: values.length, last: values.at(-1) ?? 0 }));
    const parted = ends.some(({ last }) => last > SEEN.parted);
    if (parted && ends.some(({ steps, last }) => steps >= SEEN.steps && last < SEEN.together)) seen();
  }
  const component = { element: distances.element, update };
  session?.add(component);

  /** The button is never `disabled`, because the keyboard must not lose it. */
  function showRunOn(source: RunSource): void {
    const next = nextTarget(shownSteps(source), target, MOST_STEPS);
    const canRun = running !== undefined && !isWanted && next !== undefined && session?.error === undefined;
    setText(runOn, next === undefined ? t("Longest run") : t("{rate}: run on to step {step}", { rate: running ?? rate, step: next }));
    runOn.setAttribute("aria-disabled", String(!canRun));
  }

  /** Continues the newest run by as many steps again, or to the step at which it was to pause. */
  function onward(): void {
    if (session === undefined || running === undefined || runOn.getAttribute("aria-disabled") === "true") return;
    const next = nextTarget(shownSteps(session), target, MOST_STEPS);
    if (next === undefined) return;
    target = next;
    setText(command, commandLine(runAt(running, target), session?.backend));
    isWanted = (session.record?.lastStep() ?? 0) < target;
    if (isWanted) session.start();
    session.changed();
  }

  // Not in `update`, which no hidden tab calls.
  if (session !== undefined) session.onEvent = ({ kind }) => {
    if (kind === "error") isWanted = false;
    if (kind !== "steps" || !isWanted || (session.record?.lastStep() ?? 0) < target) return;
    isWanted = false;
    session.pause();
  };

  async function run(): Promise<void> {
    running = rate;
    isWanted = true;
    if (session !== undefined) {
      target = STEPS;
      setText(command, commandLine(runAt(rate, target), session?.backend));
      // The core ends a run at its number of steps for good; this one is paused before, and can continue.
      session.open(runAt(rate, MOST_STEPS));
      session.start();
      return;
    }
    // The previous player must not continue under the new rate.
    player?.close();
    player = undefined;
    const requested = rate;
    const opened = await openRecording(`rate-${requested}`);
    if (closed || running !== requested || player !== undefined) return;
    player = opened;
    setText(command, player.recording.file.command);
    player.add(component);
    player.start();
  }

  function fail(problem: unknown): void {
    if (closed) return;
    error.hidden = false;
    setText(error, t("{error}: choose another rate, or reload the page.", { error: messageOf(problem) }));
  }

  const element = h(
    "div",
    { class: "panel exhibit" },
    error,
    control.element,
    h("div", { class: "toolbar" }, start, pause, live ? runOn : undefined, h("span", { class: "spacer" }), h("span", {}, ...tNodes("step {step}", { step }))),
    lamp.element,
    axes,
    distances.element,
    losses.element,
    h(
      "dl",
      { class: "readout small" },
      h("div", {}, h("dt", {}, t("loss of the last batch, k = 1")), loss),
      h("div", {}, h("dt", {}, t("distance of k = 3")), apart),
    ),
    live ? published.element : undefined,
    where,
    backendWord(backend),
    live ? undefined : h("p", { class: "note" }, t("Recorded runs have fewer rates and cannot run on: take 0.8 for the highest rate, and 0.05 for 0.1.")),
    h("details", {}, h("summary", { class: "note" }, t("The same run on the command line")), command),
  );
  return {
    element,
    suspend: () => {
      (session ?? player)?.pause();
      return session?.error === undefined && (isWanted || curves.size > 0);
    },
    resume: () => {
      const source = session ?? player;
      if (isWanted && source?.finished === false) source.start();
    },
    close: () => {
      closed = true;
      session?.close();
      player?.close();
      distances.close();
      losses.close();
    },
  };
}

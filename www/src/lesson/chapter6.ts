// Chapter 6: sharpness against 2/lr. Gradient descent on a small network, whose sharpness is measured as it trains.
import { linkTo } from "../address";
import { findBackend } from "../backend";
import { button, h, setText } from "../dom";
import { backendWord } from "../lab/device";
import { t, tNodes } from "../language/language";
import { showNumber } from "../numbers";
import { commandLine, defaults, toQuery, type Values } from "../properties";
import { openRecording } from "../recorded/open";
import { CurvaturePlot } from "../run/curvature";
import { divergencePlot } from "../run/curves";
import { Lamp } from "../run/lamp";
import type { RunRecord } from "../run/record";
import { type RunSource, Session } from "../run/session";
import { slider } from "../slider";
import type { Exhibit } from "./chapter";
import { whereText } from "./run_panel";

/** Learning rates: one whose edge the run does not reach, and two at which it does. */
const RATES = [0.025, 0.05, 0.1];
/** The rate of the bet, and of the recorded run (www/recorded/runs.mjs). */
const FIRST = 0.05;
/** Full batches, so that every step is one of gradient descent. */
const IMAGES = "128";
/** The chapter counts as seen when the sharpness has reached `edge` / rate, and k = 3 has this relative L1 while the control is at zero. */
const SEEN = { edge: 2, parted: 1e-4 };

/** The live run at `rate`. */
export function runAt(rate: number): Values {
  return defaults({
    "net": "mlp2", "width": "0.25", "activation": "swish:1", "loss": "mse", "dataset": "synthetic", "ks": "1,3,2", "lr": String(rate),
    "momentum": "0", "weight-decay": "0", "batch-size": IMAGES, "train-limit": IMAGES, "test-limit": "16", "augment": "false", "shuffle": "false",
    "epochs": "1000", "steps": "240", "eval-every": "0", "sharpness": "10", "sharpness-images": IMAGES,
  });
}

/** Whether a record has shown what the chapter is about. */
export function hasShown({ curvature, ks, firstRed, columns }: RunRecord): boolean {
  const hasCrossed = curvature.some(({ lambdaMax, lr }) => (lambdaMax ?? 0) * lr >= SEEN.edge);
  return hasCrossed && firstRed === undefined && (columns.relL1[ks.indexOf(3)]?.last() ?? 0) > SEEN.parted;
}

/** Creates the live part. */
export async function exhibit(seen: () => void): Promise<Exhibit> {
  const { backend } = await findBackend();
  const session = backend === "recorded" ? undefined : new Session(backend);
  const player = session === undefined ? await openRecording("edge") : undefined;
  const run = (session ?? player)!;
  let rate = FIRST;
  /** The rate of the run on screen, and whether the reader wants it to run. */
  let running = FIRST;
  let isWanted = false;

  const [curvature, distance] = [new CurvaturePlot(true), divergencePlot()];
  const startText = (): string => (session === undefined ? t("Play") : t("Run at {rate}", { rate }));
  const start = button(startText(), begin, { class: "primary", "data-testid": "start" });
  const pause = button(t("Pause"), () => {
    isWanted = false;
    run.pause();
  }, { "data-testid": "pause" });
  const control = slider(
    t("Learning rate"),
    { min: 0, max: RATES.length - 1, step: 1, value: RATES.indexOf(FIRST), testid: "lr", text: (index) => String(RATES[index] ?? "") },
    (index) => {
      rate = RATES[index]!;
      setText(start, startText());
    },
  );
  const step = h("output", { "data-testid": "step" }, "0");
  const [sharpness, edge, apart] = ["sharpness", "edge", "rel-l1-k3"].map((id) => h("dd", { "data-testid": id }, "–")) as [HTMLElement, HTMLElement, HTMLElement];
  const where = h("p", { class: "note", "data-testid": "adapter" });
  const command = h("pre", {}, player?.recording.file.command);
  const lab = h("a", {}, t("Open this run in the lab"));
  const error = h("p", { class: "notice error", role: "alert", "data-testid": "error", hidden: true });

  /** Begins a run at the chosen rate; the curves of the one before stay behind it. */
  function begin(): void {
    isWanted = true;
    if (session === undefined) return run.start();
    if (running === rate) {
      if (session.error !== undefined) session.open(session.values);
      return session.start();
    }
    const before = (session.record?.lastStep() ?? 0) > 0 ? session.record : undefined;
    for (const plot of [curvature, distance]) plot.pin(before, String(running));
    running = rate;
    showRun(rate);
    session.open(runAt(rate));
    session.start();
  }

  /** Names the run in the lab and on the command line. */
  function showRun(of: number): void {
    lab.href = linkTo("lab", toQuery(runAt(of)));
    if (session !== undefined) setText(command, commandLine(runAt(of), session.backend));
  }
  showRun(rate);

  function update({ record, opened, finished }: RunSource): void {
    if (finished) isWanted = false;
    const fault = session?.error;
    error.hidden = fault === undefined;
    setText(error, fault?.message ?? "");
    if (record === undefined) return;
    const measured = record.curvature.at(-1);
    setText(step, String(record.lastStep()));
    showNumber(sharpness, measured === undefined ? undefined : (measured.lambdaMax ?? Number.NaN));
    showNumber(edge, 2 / running);
    showNumber(apart, record.last("relL1", record.ks.indexOf(3)));
    setText(where, whereText(session !== undefined, opened));
    if (hasShown(record)) seen();
  }

  session?.open(runAt(rate));
  const element = h(
    "div",
    { class: "panel exhibit" },
    error,
    session === undefined ? undefined : control.element,
    h("div", { class: "toolbar" }, start, pause, h("span", { class: "spacer" }), h("span", {}, ...tNodes("step {step}", { step }))),
    run.add(new Lamp()).element,
    run.add(curvature).element,
    run.add(distance).element,
    h(
      "dl",
      { class: "readout small" },
      h("div", {}, h("dt", {}, t("largest eigenvalue")), sharpness),
      h("div", {}, h("dt", {}, "2/lr"), edge),
      h("div", {}, h("dt", {}, t("distance of k = 3")), apart),
    ),
    where,
    backendWord(backend),
    session === undefined ? h("p", { class: "note" }, t("The recorded run has one learning rate, 0.05, and real images: it crosses 40 at step 100, and from step 160 on its sharpness is between 38 and 48.")) : undefined,
    session === undefined ? undefined : h("p", { class: "note" }, lab),
    h("details", {}, h("summary", { class: "note" }, t("The same run on the command line")), command),
  );
  run.add({ element, update });
  return {
    element,
    suspend: () => {
      run.pause();
      return session?.error === undefined && (isWanted || (run.record?.lastStep() ?? 0) > 0);
    },
    resume: () => {
      if (isWanted && !run.finished) run.start();
    },
    close: () => run.close(),
  };
}

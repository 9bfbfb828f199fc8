// Recorded runs, for browsers that cannot train: the reader chooses one, plays it and drags through it.
import { button, h, setText } from "../dom";
import { t, tNodes } from "../language/language";
import { messageOf } from "../message_of";
import { Bits } from "../run/bits";
import { CurvaturePlot } from "../run/curvature";
import { divergencePlot, lossPlot } from "../run/curves";
import { Filters } from "../run/filters";
import { Heatmap } from "../run/heatmap";
import { Lamp } from "../run/lamp";
import { Readout } from "../run/readout";
import type { Component } from "../run/session";
import { fetchRecording } from "./format";
import { Player } from "./player";

/** The recorded runs: name of the file in public/recorded/, and label. */
const RUNS: readonly [name: string, label: string][] = [
  ["parting", t("ResNet-20, learning rate 0.1, momentum: parts within ten steps")],
  ["edge", t("MLP, learning rate 0.05: sharpness rises to 2/lr, then the copies part")],
  ["rate-0.8", t("ResNet-8 with Swish, learning rate 0.8: parts")],
  ["rate-0.2", t("… 0.2: parts slowly")],
  ["rate-0.05", t("… 0.05: stays together for a hundred steps")],
  ["rate-0.0125", t("… 0.0125: stays together for the whole recording")],
];

/** The part of the page with the recorded runs. */
export function recordedRuns(): { element: HTMLElement; close: () => void } {
  let player: Player | undefined;
  let closed = false;
  /** Counts choices: one that loads slowly must not replace a later one. */
  let latest = 0;

  const scrub = h("input", { type: "range", min: 0, max: 1, step: 1, value: 0, "data-testid": "scrub", "aria-label": t("Step") });
  const step = h("output", { "data-testid": "step" }, "0");
  const play = button(t("Play"), () => player?.start(), { class: "primary", "data-testid": "start" });
  const pause = button(t("Pause"), () => player?.pause(), { "data-testid": "pause" });
  const single = button(t("Single step"), () => player?.step(), { "data-testid": "single-step" });
  const choice = h("select", { "data-testid": "recorded-run" }, ...RUNS.map(([name, label]) => h("option", { value: name }, label)));
  const figures = h("div", { class: "recorded-figures" });
  const about = h("p", { class: "note" });
  const command = h("pre", {});
  const error = h("p", { class: "notice error", role: "alert", hidden: true });
  scrub.addEventListener("input", () => {
    player?.pause();
    player?.seek(scrub.valueAsNumber);
  });
  choice.addEventListener("change", () => void show(choice.value));

  async function show(name: string): Promise<void> {
    const request = ++latest;
    try {
      const recording = await fetchRecording(name);
      if (closed || request !== latest) return;
      player?.close();
      const current = (player = new Player(recording));
      error.hidden = true;
      scrub.max = String(current.length);
      const { command: line, adapter, driver, network } = recording.file;
      setText(about, t("{network} on CIFAR-10, trained by lastbit on {adapter} ({driver}). Real numbers, nothing simulated.", { network, adapter, driver }));
      setText(command, line);
      const show = <C extends Component>(part: C): HTMLElement => current.add(part).element;
      const weights = recording.snapshots.length === 0 ? [] : [show(new Filters()), show(new Bits(() => current.watch()))];
      figures.replaceChildren(
        show(new Lamp()),
        show(divergencePlot()),
        show(new CurvaturePlot()),
        show(new Readout()),
        h("div", { class: "plot-grid" }, show(lossPlot()), show(new Heatmap())),
        h("div", { class: "weights" }, ...weights),
      );
      current.add({
        element: figures,
        update: () => {
          setText(step, String(current.position));
          scrub.value = String(current.position);
          scrub.setAttribute("aria-valuetext", t("step {step}", { step: current.position }));
        },
      });
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) current.seek(current.length);
      else current.start();
    } catch (problem) {
      error.hidden = false;
      setText(error, t("{error}: choose another run, or reload the page.", { error: messageOf(problem) }));
    }
  }

  const element = h(
    "section",
    { class: "recorded", "aria-label": t("Recorded runs") },
    h("h2", {}, t("Recorded runs")),
    h("p", {}, t("The native program trained these on real images. k = 2 is the control: it must stay at zero.")),
    error,
    h("label", { class: "field" }, h("span", {}, t("Run")), choice),
    h("div", { class: "toolbar" }, play, pause, single, h("span", { class: "spacer" }), h("span", {}, ...tNodes("step {step}", { step }))),
    scrub,
    figures,
    about,
    h("details", {}, h("summary", { class: "note" }, t("The same run on the command line")), command),
  );
  void show(RUNS[0]![0]);
  return {
    element,
    close: () => {
      closed = true;
      player?.close();
    },
  };
}

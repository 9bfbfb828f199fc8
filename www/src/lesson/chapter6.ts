// Chapter 6: choose the learning rate. One run for each rate, all in one plot, shows where rounding errors grow and where not.
import { button, h, setText } from "../dom";
import { messageOf } from "../failure";
import { formatNumber } from "../numbers";
import { LinePlot } from "../plots/line_plot";
import { commandLine, defaults, type Values } from "../properties";
import { fetchRecording } from "../recorded/format";
import { Player } from "../recorded/player";
import { Lamp } from "../run/lamp";
import { PublishedLamp } from "../run/published";
import { type RunSource, Session } from "../run/session";
import { slider } from "../pde/equation";
import { findBackend } from "../backend";
import type { Chapter, Exhibit } from "./chapter";
import { LESSON_RUN, whereText } from "./run_panel";

const STEPS = 100;
/** The learning rates of live runs. */
export const RATES = [0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6];
/** The learning rates in www/recorded/runs.mjs. */
const RECORDED_RATES = [0.0125, 0.05, 0.2, 0.8];
/** The chapter counts as seen after one run with relative L1 above `parted`, and one below `together` after `steps` steps. */
const SEEN = { parted: 0.01, together: 1e-4, steps: 50 };

export const chapter: Chapter = {
  title: "Choose the learning rate",
  text: [
    "A large network does the same in a million dimensions. At a given learning rate some directions are unstable, and " +
      "rounding errors grow along them until the network’s nonlinearity restrains them. A shorter step leaves fewer such directions.",
    "Here the network is smooth (Swish in place of ReLU) and trains without momentum, as in the paper’s experiment. The images and " +
      "the starting weights are the same for every rate.",
  ],
  task: "Run it at the highest rate. Then move the slider down, to 0.1 or less, and run it again.",
  sight:
    "At the highest rate k = 3 parts for good. At a low rate the distance stays at the size of rounding errors, a millionth or " +
    "less, although the network learns. In between it grows, but more slowly.",
  teacher: {
    notes: [
      "Be exact about what a smaller rate does. For this smooth network without momentum the growth all but vanishes. With ReLU and " +
        "momentum 0.9, the common recipe, it becomes slower but does not vanish: a ResNet-20 on CIFAR-10 with momentum is 0.05 " +
        "apart after 60 steps at learning rate 0.003, instead of 0.5 at 0.1. ReLU has a kink, and a last bit may decide on which side of it a number falls.",
      "Deeper networks need lower rates: a ResNet-20 with Swish, batch 128 and no momentum is 0.08 apart after 200 steps at 0.05, and " +
        "below a hundred-thousandth for a thousand steps at 0.003.",
      "This is not advice to train at 0.003. The point is what a reported accuracy means: two correct runs of the same recipe may " +
        "differ by as much as two seeds do.",
    ],
    questions: [
      ["Then why not always choose the small rate?", "It learns more slowly, and large steps find better solutions in practice. The instability is the price."],
      ["Your colleague improved a network by 0.3 %. What do you ask?", "How far apart are runs that differ only in the last bit, or only in the seed? A difference within that spread is not an improvement."],
      ["Which number gives the stable rate of a direction?", "Its curvature λ: 2/λ without momentum, for the linearised step. Chapter 4 again."],
    ],
  },
  exhibit,
};

/** The live run at `rate`. */
export function runAt(rate: number): Values {
  return defaults({ ...LESSON_RUN, activation: "swish", momentum: "0", lr: String(rate), steps: String(STEPS) });
}

/** A curve that stays when the next run begins. */
interface Curve {
  x: Float64Array;
  values: Float64Array;
}

async function exhibit(seen: () => void): Promise<Exhibit> {
  const { backend } = await findBackend();
  const live = backend !== "recorded";
  const rates = live ? RATES : RECORDED_RATES;
  const curves = new Map<number, Curve>();
  let rate = rates.at(-1)!;
  let running: number | undefined;
  const session = backend === "recorded" ? undefined : new Session(backend);
  let player: Player | undefined;
  let closed = false;

  const control = slider(
    "Learning rate",
    { min: 0, max: rates.length - 1, step: 1, value: rates.length - 1, testid: "lr", text: (index) => String(rates[index] ?? "") },
    (index) => {
      rate = rates[index]!;
      setText(start, `Run at ${rate}`);
    },
  );
  const start = button(`Run at ${rate}`, () => void run().catch(fail), { class: "primary", "data-testid": "start" });
  const pause = button("Pause", () => (session ?? player)?.pause(), { "data-testid": "pause" });
  const step = h("output", { "data-testid": "step" }, "0");
  const [loss, apart] = ["loss-k1", "rel-l1-k3"].map((id) => h("dd", { "data-testid": id }, "–")) as [HTMLElement, HTMLElement];
  const lamp = new Lamp();
  const published = new PublishedLamp();
  const plot = new LinePlot({ title: "Distance of k = 3 from k = 1", note: "relative L1, one curve for each rate", log: true, height: 18, labelEnds: true, empty: "No run yet" });
  const where = h("p", { class: "note", "data-testid": "adapter" });
  const command = h("pre", {});
  const error = h("p", { class: "notice error", role: "alert", "data-testid": "error", hidden: true });

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
    curves.set(running, { x: record.step.values().slice(), values: record.columns.relL1[three]!.values().slice() });
    setText(step, String(record.lastStep()));
    setText(loss, formatNumber(record.last("loss", 0)));
    setText(apart, formatNumber(record.last("relL1", three)));
    setText(where, whereText(live, opened));
    const tried = [...curves].sort(([a], [b]) => a - b);
    const x = tried.map(([, curve]) => curve.x).reduce((longest, next) => (next.length > longest.length ? next : longest));
    plot.set({
      x,
      curves: tried.map(([of, { values }]) => ({ label: String(of), colour: `r${RATES.indexOf(of)}`, values, dashed: of !== running })),
    });
    const ends = tried.map(([, { values }]) => ({ steps: values.length, last: values.at(-1) ?? 0 }));
    const parted = ends.some(({ last }) => last > SEEN.parted);
    if (parted && ends.some(({ steps, last }) => steps >= SEEN.steps && last < SEEN.together)) seen();
  }
  const component = { element: plot.element, update };
  session?.add(component);

  async function run(): Promise<void> {
    running = rate;
    if (session !== undefined) {
      const values = runAt(rate);
      setText(command, commandLine(values, session.backend));
      session.open(values);
      session.start();
      return;
    }
    // The previous player must not continue under the new rate.
    player?.close();
    player = undefined;
    const requested = rate;
    const recording = await fetchRecording(`rate-${requested}`);
    if (closed || running !== requested || player !== undefined) return;
    player = new Player(recording);
    setText(command, recording.file.command);
    player.add(component);
    player.start();
  }

  function fail(problem: unknown): void {
    if (closed) return;
    error.hidden = false;
    setText(error, `${messageOf(problem)}: choose another rate, or reload the page.`);
  }

  const element = h(
    "div",
    { class: "panel exhibit" },
    error,
    control.element,
    h("div", { class: "toolbar" }, start, pause, h("span", { class: "spacer" }), h("span", {}, "step ", step)),
    lamp.element,
    plot.element,
    h(
      "dl",
      { class: "readout small" },
      h("div", {}, h("dt", {}, "loss, k = 1"), loss),
      h("div", {}, h("dt", {}, "distance of k = 3"), apart),
    ),
    live ? published.element : undefined,
    where,
    h("details", {}, h("summary", { class: "note" }, "The same run on the command line"), command),
  );
  return {
    element,
    close: () => {
      closed = true;
      session?.close();
      player?.close();
      plot.close();
    },
  };
}

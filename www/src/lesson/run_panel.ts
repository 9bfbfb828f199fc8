// A run in the lesson: live where the browser can train, else recorded, with the same buttons and plots.
import { button, h, setText } from "../dom";
import { adapterName } from "../lab/device";
import { t, tNodes } from "../language/language";
import type { Opened } from "../messages";
import { commandLine, defaults, type Values } from "../properties";
import { openRecording } from "../recorded/open";
import { divergencePlot } from "../run/curves";
import { Lamp } from "../run/lamp";
import { PublishedLamp } from "../run/published";
import { type Component, type RunSource, Session } from "../run/session";
import { LESSON_RUN } from "../run/smooth";
import { type Backend, findBackend } from "../backend";
import { backendWord } from "../lab/device";

/** A run that can be started and stopped. */
export interface Run extends RunSource {
  add<C extends Component>(component: C): C;
  start(pace?: number): void;
  pause(): void;
  close(): void;
}

/** A run that was opened, live or recorded. */
export interface OpenedRun {
  run: Run;
  live: boolean;
  backend: Backend;
  /** The command line of the same run with the native program. */
  command: string;
  start(): void;
  pause(): void;
  /** Resets the run to its start, paused. */
  reset(): void;
  /** Pauses the run while it is off screen; false if there is nothing to keep. */
  suspend(): boolean;
  /** Continues a run that was running when it was suspended. */
  resume(): void;
}

/** Steps a second at most, so that there is time to watch, and to flip a bit, on any device. */
const PACE = 12;

/** The commands of a run, which remember whether the reader wants it to run. `rewind` resets it. */
function commands(run: Run, rewind: () => void): Pick<OpenedRun, "start" | "pause" | "reset" | "suspend" | "resume"> {
  // Not `run.running`: the worker may not have answered the last command yet.
  let isWanted = false;
  return {
    start: () => {
      isWanted = true;
      run.start(PACE);
    },
    pause: () => {
      isWanted = false;
      run.pause();
    },
    reset: () => {
      isWanted = false;
      rewind();
    },
    suspend: () => {
      run.pause();
      const failed = run instanceof Session && run.error !== undefined;
      return !failed && (isWanted || (run.record?.lastStep() ?? 0) > 0);
    },
    resume: () => {
      if (isWanted && !run.finished) run.start(PACE);
    },
  };
}

/** Opens a paused run of `values`, or where nothing can train the recorded run `recording`. */
export async function openRun(values: Values, recording: string): Promise<OpenedRun> {
  const { backend } = await findBackend();
  if (backend === "recorded") {
    const player = await openRecording(recording);
    return {
      run: player,
      live: false,
      backend,
      command: player.recording.file.command,
      ...commands(player, () => {
        player.pause();
        player.seek(0);
      }),
    };
  }
  const session = new Session(backend);
  const all = defaults({ ...LESSON_RUN, ...values });
  session.open(all);
  return { run: session, live: true, backend, command: commandLine(all, backend), ...commands(session, () => session.open(session.values)) };
}

/** Where a run is, or was, trained; `opened` is undefined until the core has described it. */
export function whereText(live: boolean, opened: Opened | undefined): string {
  if (opened === undefined) return t("Preparing…");
  const { network, adapter } = opened;
  return live
    ? t("Live on {adapter}: {network}, made-up images.", { adapter: adapterName(adapter.name) || t("your GPU"), network })
    : t("Recorded: {network} on real images, trained by lastbit on {adapter}.", { adapter: adapter.name, network });
}

/** The buttons, the lamp and the divergence plot of a run. */
export function runPanel({ run, live, backend, command, start: onStart, pause: onPause, reset }: OpenedRun): HTMLElement {
  const step = h("output", { "data-testid": "step" }, "0");
  const start = button(t(live ? "Start" : "Play"), onStart, { class: "primary", "data-testid": "start" });
  const pause = button(t("Pause"), onPause, { "data-testid": "pause" });
  const error = h("p", { class: "notice error", role: "alert", "data-testid": "error", hidden: true });
  const where = h("p", { class: "note", "data-testid": "adapter" });
  const lamp = run.add(new Lamp());
  const plot = run.add(divergencePlot());
  const element = h(
    "div",
    { class: "run-panel" },
    error,
    h(
      "div",
      { class: "toolbar" },
      start,
      pause,
      button(t("Start over"), reset, { "data-testid": "reset" }),
      h("span", { class: "spacer" }),
      h("span", {}, ...tNodes("step {step}", { step })),
    ),
    lamp.element,
    plot.element,
    live ? run.add(new PublishedLamp()).element : undefined,
    where,
    backendWord(backend),
    h("details", {}, h("summary", { class: "note" }, t("The same run on the command line")), h("pre", {}, command)),
  );
  run.add({
    element,
    update: ({ record, opened }) => {
      setText(step, String(record?.lastStep() ?? 0));
      setText(where, whereText(live, opened));
      const fault = run instanceof Session ? run.error : undefined;
      error.hidden = fault === undefined;
      setText(error, fault === undefined ? "" : `${fault.message} `);
    },
  });
  return element;
}

// A component of a run, alone: live, or where nothing can train in a recorded run.
import type { Found } from "../backend";
import { t } from "../language/language";
import { messageOf } from "../message_of";
import { DataPanel } from "../lab/data";
import { parseFlip } from "../lab/flip";
import type { Values } from "../properties";
import { openRecording } from "../recorded/open";
import type { Player } from "../recorded/player";
import { FIRST_RATE, RECORDED_RATES } from "../run/smooth";
import { type Component, Session } from "../run/session";
import { pageOf, runOf } from "./address";
import type { LoneFigure } from "./figure";

/** The figure of `component` for the run that `settings` describe. `changed` is called after each step that is drawn. */
export function runFigure(component: Component, settings: URLSearchParams, found: Found, changed: () => void): LoneFigure {
  const isSlow = found.backend === "processor" || (found.webgpu.ok && found.webgpu.software);
  const { values, problems } = runOf(settings, isSlow);
  const page = pageOf(settings, values);
  const common = { element: component.element, page, problems };
  const report: Component = { element: component.element, update: changed };
  return found.backend === "recorded" ? recorded(component, report, values, common, changed) : live(component, report, values, common, new Session(found.backend), changed);
}

type Common = Pick<LoneFigure, "element" | "page" | "problems">;

function live(component: Component, report: Component, values: Values, common: Common, session: Session, changed: () => void): LoneFigure {
  session.add(component);
  session.add(report);
  let failed: string | undefined;

  function open(): void {
    session.open(values);
    const flip = parseFlip(values["flip-bit"] ?? "");
    if (flip !== undefined) session.flipBit(flip);
    session.start();
  }

  /** Opens the run once the host has sent its images. */
  async function openWithImages(dataset: string): Promise<void> {
    const data = new DataPanel(session, (message) => fail(message));
    // Files are dropped on the lab, not on a figure.
    data.close();
    session.onEvent = (event) => {
      if (event.kind === "data" && event.missing[dataset] === undefined) open();
    };
    // Without the files the run does not open, and the core's message names the one that is missing.
    if (!(await data.fetchFromHost(dataset))) open();
  }

  function fail(problem: unknown): void {
    failed = messageOf(problem);
    changed();
  }

  let begun = false;
  return {
    ...common,
    running: () => session.running,
    finished: () => session.finished,
    step: () => session.record?.lastStep() ?? 0,
    play: () => {
      const dataset = values["dataset"]!;
      if (begun && !session.finished && session.error === undefined) session.start();
      else if (begun || dataset === "synthetic") open();
      else openWithImages(dataset).catch(fail);
      begun = true;
    },
    pause: () => session.pause(),
    error: () => failed ?? session.error?.message,
    close: () => session.close(),
  };
}

function recorded(component: Component, report: Component, values: Values, common: Common, changed: () => void): LoneFigure {
  let player: Player | undefined;
  let failed: string | undefined;
  const rate = RECORDED_RATES.find((one) => String(one) === values["lr"]) ?? FIRST_RATE;

  async function begin(): Promise<void> {
    player = await openRecording(`rate-${rate}`);
    player.add(component);
    player.add(report);
    player.start();
  }

  let begun = false;
  return {
    ...common,
    problems: [...common.problems, t("this browser cannot train, so a recorded run at learning rate {rate} is shown", { rate })],
    running: () => player?.running ?? false,
    finished: () => player?.finished ?? false,
    step: () => player?.record.lastStep() ?? 0,
    play: () => {
      if (begun) return player?.start();
      begun = true;
      begin().catch((problem: unknown) => {
        failed = messageOf(problem);
        changed();
      });
    },
    pause: () => player?.pause(),
    error: () => failed,
    close: () => {
      player?.close();
      component.close?.();
    },
  };
}

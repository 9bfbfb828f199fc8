// The actions on a run (start, pause, step, reset), beside its step, its speed and the adapter.
import { button, h, setText } from "../dom";
import { t, tNodes } from "../language/language";
import type { Opened } from "../messages";
import { formatCount, formatRate } from "../numbers";
import type { Component, RunSource, Session } from "../run/session";
import { adapterName } from "./device";

/** What the buttons do. */
interface Commands {
  start(): void;
  pause(): void;
  step(): void;
  reset(): void;
}

/** The row of actions. Start and pause are two buttons: start has no effect while the run trains, pause while it does not. */
export class Actions implements Component {
  private readonly step = h("output", { "data-testid": "step", "aria-live": "off" }, "0");
  private readonly speed = h("span", { class: "note speed" });
  private readonly adapter = h("span", { "data-testid": "adapter" });
  private readonly about = h("span", { class: "note" });
  private readonly startButton: HTMLButtonElement;
  private readonly pauseButton: HTMLButtonElement;
  private readonly stepButton: HTMLButtonElement;
  readonly element: HTMLElement;

  constructor(
    private readonly session: Session,
    { start, pause, step, reset }: Commands,
  ) {
    this.startButton = button(t("Start"), start, { "data-testid": "start" });
    this.pauseButton = button(t("Pause"), pause, { "data-testid": "pause" });
    this.stepButton = button(t("Single step"), () => {
      if (!session.finished) step();
    }, { "data-testid": "single-step" });
    this.element = h(
      "div",
      { class: "toolbar actions" },
      this.startButton,
      this.pauseButton,
      this.stepButton,
      button(t("Reset"), reset, { "data-testid": "reset" }),
      h("span", { class: "count" }, ...tNodes("Step {step}", { step: this.step })),
      this.speed,
      h("span", { class: "note about" }, this.adapter, this.about),
    );
  }

  update({ record, opened, running, finished }: RunSource): void {
    this.startButton.classList.toggle("primary", !running);
    this.pauseButton.classList.toggle("primary", running);
    this.startButton.title = finished ? t("The run is finished. Start begins it again from step 0") : "";
    // Never `disabled`, because the keyboard must still reach the reason.
    this.stepButton.setAttribute("aria-disabled", String(finished));
    this.stepButton.title = finished ? t("The run is finished and has no further step") : "";
    setText(this.step, String(record?.lastStep() ?? 0));
    const speed = this.session.stepsPerSecond();
    setText(
      this.speed,
      finished
        ? t("finished, Start begins again")
        : speed !== undefined
          ? t("{rate} steps/s", { rate: formatRate(speed) })
          : running
            ? t("running")
            : opened
              ? t("paused")
              : "",
    );
    setText(this.adapter, opened === undefined ? "" : adapterName(opened.adapter.name));
    setText(this.about, opened !== undefined ? this.aboutOf(opened) : this.session.error === undefined ? t("compiling") : "");
  }

  /** What follows the adapter's name. */
  private aboutOf({ adapter, parameters }: Opened): string {
    const isSoftware = adapter.software && this.session.backend === "webgpu";
    const kind = isSoftware ? t(", a software adapter: the processor does the work") : "";
    return `${kind} · ${t("{parameters} parameters", { parameters: formatCount(parameters) })}`;
  }
}

// The actions on a run (start, pause, step, reset), beside its step, its speed and the adapter.
import { button, h, setText } from "../dom";
import { formatCount, formatRate } from "../numbers";
import type { Component, RunSource, Session } from "../run/session";

/** The row of actions. Start and pause are two buttons: start has no effect while the run trains, pause while it does not. */
export class Actions implements Component {
  private readonly step = h("output", { "data-testid": "step", "aria-live": "off" }, "0");
  private readonly speed = h("span", { class: "note speed" });
  private readonly adapter = h("span", { "data-testid": "adapter" });
  private readonly about = h("span", { class: "note" });
  private readonly startButton: HTMLButtonElement;
  private readonly pauseButton: HTMLButtonElement;
  readonly element: HTMLElement;

  constructor(
    private readonly session: Session,
    reset: () => void,
  ) {
    this.startButton = button("Start", () => session.start(), { "data-testid": "start" });
    this.pauseButton = button("Pause", () => session.pause(), { "data-testid": "pause" });
    this.element = h(
      "div",
      { class: "toolbar actions" },
      this.startButton,
      this.pauseButton,
      button("Single step", () => session.step(), { "data-testid": "single-step" }),
      button("Reset", reset, { "data-testid": "reset" }),
      h("span", { class: "count" }, "Step ", this.step),
      this.speed,
      h("span", { class: "note about" }, this.adapter, this.about),
    );
  }

  update({ record, opened, running, finished }: RunSource): void {
    this.startButton.classList.toggle("primary", !running);
    this.pauseButton.classList.toggle("primary", running);
    setText(this.step, String(record?.lastStep() ?? 0));
    const speed = this.session.stepsPerSecond();
    setText(this.speed, finished ? "finished" : speed !== undefined ? `${formatRate(speed)} steps/s` : running ? "running" : opened ? "paused" : "");
    setText(this.adapter, opened?.adapter.name ?? "");
    setText(
      this.about,
      opened === undefined
        ? this.session.error === undefined
          ? "compiling"
          : ""
        : `${opened.adapter.software && this.session.backend === "webgpu" ? ", a software adapter: the processor does the work" : ""} · ${formatCount(opened.parameters)} parameters`,
    );
  }
}

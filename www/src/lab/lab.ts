// The lab: one run with all its plots and controls. The address holds every choice. A change opens a new run at once, except
// for the learning rate, which changes in the current run.
import { linkTo, showLink } from "../address";
import { button, h } from "../dom";
import { messageOf } from "../failure";
import type { EngineEvent, FlipBit } from "../messages";
import { openWithoutWebgpu } from "../no_webgpu";
import { defaults, fromQuery, preset, toQuery, type Values } from "../properties";
import { Bits } from "../run/bits";
import { divergencePlot, lossPlot } from "../run/curves";
import { Filters } from "../run/filters";
import { Heatmap } from "../run/heatmap";
import { Lamp } from "../run/lamp";
import { PublishedLamp } from "../run/published";
import { Readout } from "../run/readout";
import { Session } from "../run/session";
import type { Route, View } from "../view";
import { webgpuSupport } from "../webgpu";
import { Actions } from "./actions";
import { Controls } from "./controls";
import { DataPanel } from "./data";
import { FlipButton, flipText, parseFlip } from "./flip";
import { LearningRate } from "./learning_rate";
import { oneLayerNote } from "./one_layer_note";
import { ErrorNotice } from "./error_notice";
import { Share } from "./share";
import "./lab.css";

/** Opens the lab, or without WebGPU the page that explains why it is missing. */
export async function open(route: Route): Promise<View> {
  // The worker loads while the browser looks for an adapter.
  const session = new Session();
  const support = await webgpuSupport();
  if (support.ok) return new Lab(session, route, support.software);
  session.close();
  return openWithoutWebgpu(support);
}

class Lab implements View {
  readonly element: HTMLElement;
  private values: Values;
  private readonly divergence = divergencePlot();
  private readonly loss = lossPlot();
  private readonly notice = new ErrorNotice(() => this.restart());
  private readonly main = new Controls("main", ["lr"], (key, text) => this.change(key, text));
  private readonly more = new Controls("more", [], (key, text) => this.change(key, text));
  private readonly lr = new LearningRate((lr) => this.changeLr(lr));
  private readonly share = new Share(() => this.session.record, this.divergence);
  private readonly oneLayer = oneLayerNote();
  private readonly data: DataPanel;
  private readonly pin = button("Pin curves", () => this.togglePin(), { "data-testid": "pin", "aria-pressed": "false" });

  constructor(
    private readonly session: Session,
    route: Route,
    private readonly software: boolean,
  ) {
    this.data = new DataPanel(session, (message) => this.notice.show("data", message));
    this.values = this.valuesOf(route);
    this.session.onEvent = (event) => this.handle(event);
    this.element = this.layout();
    void this.openWithData(true);
  }

  navigate(route: Route): void {
    this.values = this.valuesOf(route);
    void this.openWithData(true);
  }

  close(): void {
    this.data.close();
    this.session.close();
  }

  private layout(): HTMLElement {
    const { session } = this;
    const add = session.add.bind(session);
    const bits = add(new Bits(() => session.watch()));
    return h(
      "div",
      { class: "page wide lab" },
      h("h1", { class: "hidden" }, "Lab"),
      this.notice.element,
      add(new Actions(session, () => this.reset())).element,
      add(new Lamp()).element,
      h(
        "div",
        { class: "columns" },
        h(
          "div",
          { class: "side" },
          h("section", { class: "panel" }, h("h2", {}, "Run"), this.lr.element, this.main.element),
          h("details", { class: "panel" }, h("summary", {}, "More"), this.more.element),
          this.data.element,
          this.share.element,
          h(
            "section",
            { class: "panel" },
            h("h2", {}, "This device"),
            h("p", { class: "note" }, "The same run has the same bits on every device of one class. ", h("a", { href: linkTo("certify") }, "Does this device keep the promise?")),
          ),
        ),
        h(
          "div",
          { class: "main" },
          add(this.divergence).element,
          this.oneLayer,
          h("div", { class: "toolbar" }, this.pin, add(new FlipButton((flip) => session.flipBit(flip))).element),
          add(new Readout()).element,
          add(new PublishedLamp()).element,
          h("div", { class: "plot-grid" }, add(this.loss).element, add(new Heatmap()).element),
          h("div", { class: "plot-grid" }, add(new Filters()).element, bits.element),
        ),
      ),
    );
  }

  /** The values of an address. Those that it omits are chosen to suit its network and this adapter. */
  private valuesOf({ query }: Route): Values {
    const net = query.get("net") ?? defaults()["net"]!;
    const { values, problems } = fromQuery(query, defaults(preset(net, this.software)));
    if (problems.length > 0) this.notice.show("config", `Invalid values in the address: ${problems.join("; ")}. The defaults are used instead.`);
    else this.notice.clear();
    return values;
  }

  /** Opens the run of `values`, and starts it if `start` is true. */
  private openRun(start: boolean): void {
    const { values, session } = this;
    this.showValues();
    session.open(values);
    const flip = parseFlip(values["flip-bit"] ?? "");
    if (flip !== undefined) session.flipBit(flip);
    if (start) session.start();
  }

  private showValues(): void {
    showLink(linkTo("lab", toQuery(this.values)));
    this.oneLayer.hidden = this.values["net"] !== "one-layer";
    this.main.show(this.values);
    this.more.show(this.values);
    this.share.show(this.values);
    this.lr.show(this.rate());
  }

  /** The learning rate after the last change. */
  private rate(): number {
    const last = (this.values["lr-changes"] ?? "").split(":").at(-1);
    return Number(last || this.values["lr"]);
  }

  /** The values without the changes made during the run: its last learning rate holds from the start, and no bit is flipped. */
  private withoutChanges(): Values {
    return { ...this.values, "lr": String(this.rate()), "lr-changes": "", "flip-bit": "" };
  }

  /** Data sets that are complete. */
  private readonly arrived = new Set<string>();
  /** The data set that is being fetched for the run of `values`, and whether to start that run. */
  private awaited: { dataset: string; start: boolean } | undefined;

  private change(key: string, text: string): void {
    const suited = key === "net" ? preset(text, this.software) : {};
    this.values = { ...this.withoutChanges(), ...suited, [key]: text };
    this.notice.clear();
    const { running, finished, error } = this.session;
    void this.openWithData(running || finished || error !== undefined);
  }

  /** Opens the run. If its data set has not arrived, looks for it on the host first and opens the run once it has. */
  private async openWithData(start: boolean): Promise<void> {
    const dataset = this.values["dataset"]!;
    if (dataset === "synthetic" || this.arrived.has(dataset)) {
      this.awaited = undefined;
      return this.openRun(start);
    }
    this.showValues();
    const isFetching = this.awaited?.dataset === dataset;
    this.awaited = { dataset, start };
    if (isFetching) return;
    try {
      if (await this.data.fetchFromHost(dataset)) return;
      // Opening it fails, and the core's message names the missing file.
      this.openAwaited(dataset);
    } catch (error) {
      this.awaited = undefined;
      this.data.failed();
      this.notice.show("data", messageOf(error));
    }
  }

  /** Opens the run that waits for `dataset`; false if none does, because the user has chosen another one meanwhile. */
  private openAwaited(dataset: string): boolean {
    if (this.awaited?.dataset !== dataset) return false;
    const { start } = this.awaited;
    this.awaited = undefined;
    this.openRun(start);
    return true;
  }

  private changeLr(lr: number): void {
    if ((this.session.record?.lastStep() ?? 0) > 0 && !this.session.finished) {
      this.session.setLr(lr);
    } else {
      this.values = { ...this.withoutChanges(), lr: String(lr) };
      this.openRun(this.session.running);
    }
  }

  private reset(): void {
    this.values = this.withoutChanges();
    this.notice.clear();
    this.openRun(false);
  }

  /** Reopens the run after a fault, and pins the curves that it had recorded. */
  private restart(): void {
    // A run that failed before its first step has nothing to pin, and earlier curves stay pinned.
    if ((this.session.record?.lastStep() ?? 0) > 0) this.setPin(true);
    this.notice.clear();
    this.openRun(true);
  }

  private togglePin(): void {
    this.setPin(this.pin.getAttribute("aria-pressed") !== "true");
  }

  private setPin(isOn: boolean): void {
    const record = isOn ? this.session.record : undefined;
    for (const plot of [this.divergence, this.loss]) plot.pin(record);
    this.share.setPinned(record);
    this.pin.setAttribute("aria-pressed", String(record !== undefined));
    this.session.changed();
  }

  private handle(event: EngineEvent): void {
    switch (event.kind) {
      case "error":
        if (event.fault === "data") {
          this.awaited = undefined;
          this.data.failed();
        }
        this.notice.show(event.fault, event.message);
        return;
      case "data":
        this.data.show(event);
        for (const [dataset, missing] of Object.entries(event.missing)) {
          if (missing === undefined) this.arrived.add(dataset);
          if (!this.openAwaited(dataset) && missing === undefined) this.useData(dataset);
        }
        return;
      case "changed":
        this.recordChange(event);
        return;
    }
  }

  /** Writes a change of the run into the address, so that the link repeats it. */
  private recordChange(event: Extract<EngineEvent, { kind: "changed" }>): void {
    if (event.what === "flip-bit") {
      this.values = { ...this.values, "flip-bit": flipText(event.flip as FlipBit, event.step) };
    } else {
      const before = (this.values["lr-changes"] ?? "").split(",").filter((change) => change !== "" && Number(change.split(":")[0]) < event.step);
      this.values = { ...this.values, "lr-changes": [...before, `${event.step}:${event.lr}`].join() };
    }
    this.session.values = this.values;
    this.showValues();
  }

  /** Trains on a data set that has just become complete. */
  private useData(dataset: string): void {
    this.notice.clear();
    // A link to a run that had to wait for its files keeps the changes that it lists.
    if (this.session.opened === undefined && this.values["dataset"] === dataset) return this.openRun(true);
    const net = this.values["net"] === "one-layer" ? "resnet8" : this.values["net"]!;
    const suited = net === this.values["net"] ? {} : preset(net, this.software);
    this.values = { ...this.withoutChanges(), ...suited, net, dataset };
    this.openRun(true);
  }
}

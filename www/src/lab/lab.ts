// The lab: one run with all its plots and controls. The address holds every choice. A change opens a new run at once, except
// for the learning rate, which changes in the current run.
import { linkTo, showLink } from "../address";
import { findBackend, type Found } from "../backend";
import { button, h, setText } from "../dom";
import { t } from "../language/language";
import { messageOf } from "../message_of";
import type { EngineEvent, FlipBit } from "../messages";
import { changed, defaults, preset, toQuery, type Values } from "../properties";
import { openRecorded } from "../recorded/recorded_view";
import { Bits } from "../run/bits";
import { Climb } from "../run/climb";
import { Consequence } from "../run/consequence";
import { CurvaturePlot } from "../run/curvature";
import { divergencePlot, lossPlot } from "../run/curves";
import { Filters } from "../run/filters";
import { GrowthPlot } from "../run/growth";
import { Heatmap } from "../run/heatmap";
import { Lamp } from "../run/lamp";
import { PublishedLamp } from "../run/published";
import { Readout } from "../run/readout";
import { Session } from "../run/session";
import { StoryLine } from "../run/story";
import { fromQuery } from "../validate";
import type { Route, View } from "../view";
import { Actions } from "./actions";
import { Controls } from "./controls";
import { DataPanel } from "./data";
import { devicePanel } from "./device";
import { FlipButton, flipText, parseFlip } from "./flip";
import { LearningRate } from "./learning_rate";
import { oneLayerNote } from "./one_layer_note";
import { ErrorNotice } from "./error_notice";
import { isRough, rateNote } from "./rate_note";
import { Share } from "./share";
import { labTerms } from "./terms";
import "./lab.css";

/** Opens the lab, or where nothing can train the page that explains why. */
export async function open(route: Route): Promise<View> {
  const found = await findBackend();
  const { backend } = found;
  return backend === "recorded" ? openRecorded(found) : new Lab(new Session(backend), route, found);
}

class Lab implements View {
  readonly element: HTMLElement;
  private values: Values;
  /** Whether the user wants the run to train. The worker reports `running` later, and not at all until a run has opened. */
  private wantsRun = true;
  private readonly divergence = divergencePlot(true);
  private readonly loss = lossPlot();
  private readonly curvature = new CurvaturePlot();
  private readonly notice = new ErrorNotice(() => this.restart());
  private readonly main = new Controls("main", ["lr"], (key, text) => this.change(key, text));
  private readonly more = new Controls("more", [], (key, text) => this.change(key, text));
  private readonly lr = new LearningRate((lr) => this.changeLr(lr));
  private readonly share: Share;
  private readonly oneLayer = oneLayerNote();
  private readonly rateNote = rateNote();
  /** Whether smaller sizes suit the device. */
  private readonly isSlow: boolean;
  private readonly data: DataPanel;
  private readonly pin = button(t("Pin curves"), () => this.togglePin(), { "data-testid": "pin", "aria-pressed": "false" });
  private readonly pinNote = h("span", { class: "note", role: "status", "data-testid": "pin-note" });
  /** Whether the pinned curves are there because the user asked for them; others are replaced by those of the next finished run. */
  private pinnedByUser = false;

  constructor(
    private readonly session: Session,
    route: Route,
    private readonly found: Found,
  ) {
    // A software GPU is slower still.
    this.isSlow = session.backend === "processor" || (found.webgpu.ok && found.webgpu.software);
    this.share = new Share(() => session, this.divergence, session.backend);
    this.data = new DataPanel(session, (message) => this.notice.show("data", message));
    this.values = this.valuesOf(route);
    this.session.onEvent = (event) => this.handle(event);
    this.element = this.layout();
    void this.openWithData();
  }

  navigate(route: Route): void {
    this.values = this.valuesOf(route);
    this.wantsRun = true;
    void this.openWithData();
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
      h("h1", { class: "hidden" }, t("Lab")),
      this.notice.element,
      add(
        new Actions(session, {
          start: () => this.start(),
          pause: () => this.pause(),
          step: () => this.step(),
          reset: () => this.reset(),
        }),
      ).element,
      add(new Lamp()).element,
      h(
        "div",
        { class: "columns" },
        h(
          "div",
          { class: "side" },
          h("section", { class: "panel rate" }, this.lr.element),
          h("section", { class: "panel" }, h("h2", {}, t("Run")), this.main.element, this.rateNote),
          h("details", { class: "panel" }, h("summary", {}, t("More")), this.more.element),
          this.data.element,
          add(this.share).element,
          devicePanel(this.found),
        ),
        h(
          "div",
          { class: "main" },
          add(this.divergence).element,
          add(new StoryLine()).element,
          this.oneLayer,
          add(this.curvature).element,
          add(new GrowthPlot()).element,
          h("div", { class: "toolbar" }, this.pin, add(new FlipButton((flip) => session.flipBit(flip))).element, this.pinNote),
          add(new Readout()).element,
          labTerms(),
          add(new PublishedLamp()).element,
          h("div", { class: "plot-grid" }, add(new Consequence()).element, add(new Climb()).element),
          h("div", { class: "plot-grid" }, add(this.loss).element, add(new Heatmap()).element),
          h("div", { class: "weights" }, add(new Filters()).element, bits.element),
        ),
      ),
    );
  }

  /** The values of an address. Those that it omits are chosen to suit its network and this adapter. */
  private valuesOf({ query }: Route): Values {
    const net = query.get("net") ?? defaults()["net"]!;
    const { values, problems } = fromQuery(query, defaults(preset(net, this.isSlow)));
    if (problems.length > 0) this.notice.show("config", t("Invalid values in the address: {problems}. The defaults are used instead.", { problems: problems.join("; ") }));
    else this.notice.clear();
    return values;
  }

  /** Opens the run of `values`, and starts it if the user wants it to train. */
  private openRun(): void {
    const { values, session } = this;
    this.showValues();
    session.open(values);
    const flip = parseFlip(values["flip-bit"] ?? "");
    if (flip !== undefined) session.flipBit(flip);
    if (this.wantsRun) session.start();
  }

  private showValues(): void {
    showLink(linkTo("lab", toQuery(this.values)));
    this.oneLayer.hidden = this.values["net"] !== "one-layer";
    this.rateNote.hidden = !isRough(this.values);
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
  /** The data set that is being fetched for the run of `values`. */
  private awaited: string | undefined;

  private change(key: string, text: string): void {
    const suited = key === "net" ? preset(text, this.isSlow) : {};
    this.values = changed({ ...this.withoutChanges(), ...suited }, key, text);
    this.notice.clear();
    this.pinFinished();
    void this.openWithData();
  }

  /** Trains; a finished run begins again from step 0, with the changes that were made during it. */
  private start(): void {
    this.wantsRun = true;
    if (this.session.finished) this.openRun();
    else this.session.start();
  }

  private pause(): void {
    this.wantsRun = false;
    this.session.pause();
  }

  private step(): void {
    this.wantsRun = false;
    this.session.step();
  }

  /** Opens the run. If its data set has not arrived, looks for it on the host first and opens the run once it has. */
  private async openWithData(): Promise<void> {
    const dataset = this.values["dataset"]!;
    if (dataset === "synthetic" || this.arrived.has(dataset)) {
      this.awaited = undefined;
      return this.openRun();
    }
    this.showValues();
    const isFetching = this.awaited === dataset;
    this.awaited = dataset;
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
    if (this.awaited !== dataset) return false;
    this.awaited = undefined;
    this.openRun();
    return true;
  }

  private changeLr(lr: number): void {
    if ((this.session.record?.lastStep() ?? 0) > 0 && !this.session.finished) {
      this.session.setLr(lr);
    } else {
      this.values = { ...this.withoutChanges(), lr: String(lr) };
      this.pinFinished();
      this.openRun();
    }
  }

  private reset(): void {
    this.wantsRun = false;
    this.values = this.withoutChanges();
    this.notice.clear();
    this.openRun();
  }

  /** Reopens the run after a fault, and pins the curves that it had recorded. */
  private restart(): void {
    // A run that failed before its first step has nothing to pin, and earlier curves stay pinned.
    if ((this.session.record?.lastStep() ?? 0) > 0) this.setPin(true);
    this.notice.clear();
    this.wantsRun = true;
    this.openRun();
  }

  private togglePin(): void {
    this.setPin(this.pin.getAttribute("aria-pressed") !== "true");
    this.pinnedByUser = this.pin.getAttribute("aria-pressed") === "true";
  }

  /** Pins the curves of a finished run before another one replaces it, unless the user has pinned others. */
  private pinFinished(): void {
    if (!this.session.finished || this.pinnedByUser) return;
    this.setPin(true);
    setText(this.pinNote, t("The finished run stays as pinned curves."));
  }

  private setPin(isOn: boolean): void {
    setText(this.pinNote, "");
    const record = isOn ? this.session.record : undefined;
    for (const plot of [this.divergence, this.loss, this.curvature]) plot.pin(record);
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
    this.wantsRun = true;
    // A link to a run that had to wait for its files keeps the changes that it lists.
    if (this.session.opened === undefined && this.values["dataset"] === dataset) return this.openRun();
    const net = this.values["net"] === "one-layer" ? "resnet8" : this.values["net"]!;
    const suited = net === this.values["net"] ? {} : preset(net, this.isSlow);
    this.values = { ...this.withoutChanges(), ...suited, net, dataset };
    this.openRun();
  }
}

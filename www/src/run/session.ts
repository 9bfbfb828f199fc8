// A live run: an engine, the record of its events, and the values that it was opened with. Views add components and call
// the commands; components are drawn at most once a frame, when something changed.
import type { LiveBackend } from "../backend";
import { Engine } from "../engine";
import { cancelFrame, inNextFrame } from "../frame";
import type { EngineEvent, Fault, FlipBit, Opened, Standing, WatchedRange } from "../messages";
import { config, type Values } from "../properties";
import { RunRecord } from "./record";
import { controlsOf } from "./replicas";
import { treatmentsOf } from "./treatments";

/** What components read: a live session or a recorded run. */
export interface RunSource {
  readonly record: RunRecord | undefined;
  readonly opened: Opened | undefined;
  readonly running: boolean;
  readonly finished: boolean;
  /** What a live run was opened with. */
  readonly values?: Values;
}

/** Something on screen that shows a run. */
export interface Component {
  element: HTMLElement;
  update(source: RunSource): void;
  /** Whether the component shows test images, or where the copies stand. */
  readonly observes?: boolean;
  /** The weights that the component shows. */
  ranges?(opened: Opened): WatchedRange[];
  close?(): void;
}

/** Milliseconds over which the speed is averaged. */
const SPEED_MS = 3000;

/** A run on this machine. */
export class Session implements RunSource {
  readonly engine: Engine;
  values: Values = {};
  opened: Opened | undefined;
  record: RunRecord | undefined;
  running = false;
  finished = false;
  /** The record of the previous run, until the next one has opened. */
  private previous: RunRecord | undefined;
  error: { fault: Fault; message: string } | undefined;
  /** Arrival of the newest steps: milliseconds and step. */
  private arrivals: [time: number, step: number][] = [];
  /** Called with every event after the session has handled it. */
  onEvent: (event: EngineEvent) => void = () => undefined;
  private readonly components = new Set<Component>();
  private readonly draw = (): void => {
    for (const component of this.components) component.update(this);
  };

  constructor(readonly backend: LiveBackend) {
    this.engine = new Engine(backend);
    this.engine.on((event) => this.handle(event));
  }

  /** Shows the run in `component`. */
  add<C extends Component>(component: C): C {
    this.components.add(component);
    this.changed();
    return component;
  }

  /** Opens a run, paused, and closes the previous one. Drops the previous record, unless the new run cannot be opened. */
  open(values: Values): void {
    this.values = values;
    this.error = undefined;
    this.finished = this.running = false;
    this.opened = undefined;
    if (this.record?.isPending === false) this.previous = this.record;
    // Before the core answers, the record already has its final number of rows and curves.
    const ks = (values["ks"] ?? "").split(",").map(Number);
    const treatments = treatmentsOf(values);
    this.record = new RunRecord({ ks, controls: controlsOf(ks, values["perturbation"] ?? "", treatments), tensors: [], treatments }, true);
    this.arrivals = [];
    this.engine.open(config(values));
    this.changed();
  }

  /** Steps a second over the last seconds; `undefined` while nothing runs. */
  stepsPerSecond(): number | undefined {
    const [first, last] = [this.arrivals[0], this.arrivals.at(-1)];
    if (!this.running || first === undefined || last === undefined || last[0] <= first[0]) return undefined;
    return ((last[1] - first[1]) / (last[0] - first[0])) * 1000;
  }

  /** Requests the weights that components show; to be called again when they show others. */
  watch(): void {
    const { opened } = this;
    if (opened === undefined) return;
    this.engine.watch([...this.components].flatMap((component) => component.ranges?.(opened) ?? []));
  }

  /** Starts the run, from step 0 if it is finished, at most `pace` steps a second; has no effect while running. */
  start(pace?: number): void {
    if (this.finished) this.open(this.values);
    this.engine.start(pace);
  }

  /** Pauses the run. */
  pause(): void {
    this.engine.pause();
  }

  /** Takes one step. */
  step(): void {
    this.engine.step();
  }

  /** Changes the learning rate from the next step on. */
  setLr(lr: number): void {
    this.engine.setLr(lr);
  }

  /** Flips one bit after the next step. */
  flipBit(flip: FlipBit): void {
    this.engine.flipBit(flip);
  }

  /** Terminates the worker and closes the components. */
  close(): void {
    cancelFrame(this.draw);
    this.engine.close();
    for (const component of this.components) component.close?.();
    this.components.clear();
  }

  /** Requests a redraw of all components in the next frame. */
  changed(): void {
    inNextFrame(this.draw);
  }

  /** Keeps the predictions of the newest standing only: nothing reads the others. */
  private addStanding(standing: Standing): void {
    const before = this.record?.standings.at(-1);
    if (before !== undefined) before.predictions = [];
    this.record?.standings.push(standing);
  }

  private handle(event: EngineEvent): void {
    switch (event.kind) {
      case "opened":
        this.opened = event;
        this.record = new RunRecord({ ...event, treatments: treatmentsOf(this.values) });
        this.previous = undefined;
        this.watch();
        if ([...this.components].some(({ observes }) => observes === true)) this.engine.observe();
        break;
      case "steps":
        this.record?.addSteps(event);
        this.arrivals.push([performance.now(), this.record?.lastStep() ?? 0]);
        if (this.arrivals.length > 2 && this.arrivals.at(-1)![0] - this.arrivals[1]![0] > SPEED_MS) this.arrivals.shift();
        break;
      case "layers":
        this.record?.addLayers(event);
        break;
      case "epoch":
        this.record?.epochs.push(event);
        break;
      case "curvature":
        this.record?.curvature.push(event);
        break;
      case "growth":
        this.record?.growth.push(event);
        break;
      case "images":
        if (this.record) this.record.images = event;
        break;
      case "standing":
        this.addStanding(event);
        break;
      case "tensors":
        if (this.record) this.record.tensors = event;
        break;
      case "state":
        if (event.running !== this.running) this.arrivals = [];
        this.running = event.running;
        this.finished = event.finished;
        break;
      case "changed":
        if (event.what === "lr") this.record?.lrChanges.push(event);
        else this.record?.flips.push(event);
        break;
      case "error":
        this.error = event;
        if (this.opened === undefined) this.record = this.previous ?? this.record;
        break;
      default:
        break;
    }
    this.changed();
    this.onEvent(event);
  }
}

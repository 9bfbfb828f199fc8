// Plays a recorded run at a speed that one can follow, forwards and backwards. Components read it like a live session.
import { cancelFrame, inNextFrame } from "../frame";
import type { Opened, Tensor, WatchedRange } from "../messages";
import { RunRecord } from "../run/record";
import type { Values } from "../properties";
import type { Component, RunSource } from "../run/session";
import { type Recording, stepsOf } from "./format";

const STEPS_PER_SECOND = 12;

/** A recorded run that is shown in components, as a session is. */
export class Player implements RunSource {
  record: RunRecord;
  readonly opened: Opened;
  /** The parameters whose bits are recorded. */
  private readonly tensors: Tensor[];
  /** The settings of the run, as far as they are recorded. */
  readonly values: Values;
  private readonly components = new Set<Component>();
  private timer: ReturnType<typeof setInterval> | undefined;
  private at = 0;
  private readonly draw = (): void => {
    for (const component of this.components) component.update(this);
  };

  constructor(readonly recording: Recording) {
    this.opened = recording.opened;
    const names = recording.snapshots[0]?.bits;
    this.tensors = recording.opened.tensors.filter(({ name }) => names?.has(name));
    this.values = recording.file.settings ?? {};
    this.record = new RunRecord(recording.opened);
    this.addCurvature();
  }

  /** The last step that is shown. */
  get position(): number {
    return this.at;
  }

  get length(): number {
    return this.recording.rows.length;
  }

  get running(): boolean {
    return this.timer !== undefined;
  }

  get finished(): boolean {
    return this.at === this.length;
  }

  /** Shows the run in `component`. */
  add<C extends Component>(component: C): C {
    this.components.add(component);
    this.watch();
    return component;
  }

  /** Plays from the current step, or from the beginning if this is the end. */
  start(): void {
    if (this.running) return;
    if (this.finished) this.seek(0);
    this.timer = setInterval(() => {
      this.seek(this.at + 1);
      if (this.finished) this.pause();
    }, 1000 / STEPS_PER_SECOND);
    this.changed();
  }

  /** Stops at the current step. */
  pause(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.changed();
  }

  /** Pauses, and shows one more step. */
  step(): void {
    this.pause();
    this.seek(this.at + 1);
  }

  /** Shows the run as it was after `step` steps. */
  seek(step: number): void {
    const to = Math.min(Math.max(Math.round(step), 0), this.length);
    if (to < this.at) {
      this.at = 0;
      this.record = new RunRecord(this.opened);
    }
    const isNew = ({ step: of }: { step: number }): boolean => of > this.at && of <= to;
    const { rows, layers, epochs } = this.recording;
    if (to > this.at) this.record.addSteps(stepsOf(rows.slice(this.at, to)));
    layers.filter(isNew).forEach((event) => this.record.addLayers(event));
    this.record.epochs.push(...epochs.filter(isNew));
    this.at = to;
    this.addCurvature();
    this.watch();
  }

  /** Adds what was measured up to the current step, of which the first measurement is before any step. */
  private addCurvature(): void {
    const { curvature } = this.record;
    curvature.push(...this.recording.curvature.slice(curvature.length).filter(({ step }) => step <= this.at));
  }

  /** Gives components the weights that they show, as of the newest step whose weights were recorded. */
  watch(): void {
    const snapshot = this.recording.snapshots.findLast(({ step }) => step <= this.at);
    if (snapshot !== undefined) {
      const { tensors } = this;
      const wanted = [...this.components].flatMap((component) => component.ranges?.({ ...this.opened, tensors }) ?? []);
      const ranges = wanted.map((range) => ({ ...range, bits: this.slice(snapshot.bits.get(range.tensor)!, range) }));
      this.record.tensors = { kind: "tensors", step: snapshot.step, ranges };
    }
    this.changed();
  }

  /** Cuts `[R][count]` out of `[R][elements]`. */
  private slice(bits: Uint32Array, { first, count }: WatchedRange): Uint32Array {
    const elements = bits.length / this.opened.ks.length;
    const parts = this.opened.ks.map((_, r) => [...bits.subarray(r * elements + first, r * elements + first + count)]);
    return Uint32Array.from(parts.flat());
  }

  /** Stops playing and closes the components. */
  close(): void {
    clearInterval(this.timer);
    cancelFrame(this.draw);
    for (const component of this.components) component.close?.();
    this.components.clear();
  }

  private changed(): void {
    inNextFrame(this.draw);
  }
}

// Plays a recorded run: the same events as the engine's, at a speed that one can follow, forwards and backwards.
import type { EngineEvent } from "../messages";
import { type Recording, stepsOf } from "./format";

const STEPS_PER_SECOND = 12;

/** What the plots listen to: a live engine or a player. */
export interface Source {
  on(listener: (event: EngineEvent) => void): () => void;
  start(): void;
  pause(): void;
  step(): void;
  close(): void;
}

/** A recorded run as a source of events. Nothing is told before {@link Player.seek} or {@link Player.start}. */
export class Player implements Source {
  private readonly listeners = new Set<(event: EngineEvent) => void>();
  private timer: ReturnType<typeof setInterval> | undefined;
  private opened = false;
  private at = 0;

  constructor(private readonly recording: Recording) {}

  /** The last step that is shown. */
  get position(): number {
    return this.at;
  }

  get length(): number {
    return this.recording.rows.length;
  }

  on(listener: (event: EngineEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private tell(event: EngineEvent): void {
    for (const listener of [...this.listeners]) listener(event);
  }

  private tellState(): void {
    this.tell({ kind: "state", running: this.timer !== undefined, finished: this.at === this.length });
  }

  /** Plays from here, or from the beginning if this is the end. */
  start(): void {
    if (this.timer !== undefined) return;
    if (!this.opened || this.at === this.length) this.seek(0);
    this.timer = setInterval(() => {
      this.advance(this.at + 1);
      if (this.at === this.length) this.pause();
    }, 1000 / STEPS_PER_SECOND);
    this.tellState();
  }

  pause(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.tellState();
  }

  step(): void {
    this.pause();
    if (!this.opened) this.seek(0);
    if (this.at < this.length) this.advance(this.at + 1);
    this.tellState();
  }

  /** Shows the run as it was after `step` steps. Going back tells the run anew from its start. */
  seek(step: number): void {
    const to = Math.min(Math.max(Math.round(step), 0), this.length);
    if (!this.opened || to < this.at) {
      this.opened = true;
      this.at = 0;
      this.tell(this.recording.opened);
      for (const tensors of this.recording.tensors) if (tensors.step === 0) this.tell(tensors);
    }
    if (to > this.at) this.advance(to);
    this.tellState();
  }

  private advance(to: number): void {
    const from = this.at;
    const isNew = ({ step }: { step: number }) => step > from && step <= to;
    this.at = to;
    this.tell(stepsOf(this.recording.rows.slice(from, to)));
    const { layers, tensors, epochs } = this.recording;
    for (const event of [...layers.filter(isNew), ...tensors.filter(isNew), ...epochs.filter(isNew)]) this.tell(event);
  }

  close(): void {
    clearInterval(this.timer);
    this.listeners.clear();
  }
}

// The engine: a typed client of the worker that trains. Commands go in, events come out; nothing here blocks the page.
import type { Command, Config, DataFile, EngineEvent, FlipBit } from "./messages";

type Listener = (event: EngineEvent) => void;

/** A worker with the core in it, and at most one run. */
export class Engine {
  private worker: Worker;
  private run = 0;
  private readonly listeners = new Set<Listener>();

  constructor() {
    this.worker = this.startWorker();
  }

  private startWorker(): Worker {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "lastbit" });
    worker.onmessage = ({ data }: MessageEvent<{ run: number; event: EngineEvent }>) => {
      if (worker === this.worker && data.run === this.run) this.tell(data.event);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      if (worker !== this.worker) return;
      this.tell({ kind: "error", fault: "load", message: event.message || "the worker did not load: reload the page" });
    };
    return worker;
  }

  private tell(event: EngineEvent): void {
    for (const listener of [...this.listeners]) listener(event);
  }

  /** Hears every event of the current run; returns what ends that. */
  on(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private send(command: Command, transfer: Transferable[] = []): void {
    this.worker.postMessage(command, transfer);
  }

  /** Makes a run, paused before its first step; the one before is closed. `opened` or `error` follows. */
  open(config: Config): void {
    this.run += 1;
    this.send({ kind: "open", run: this.run, config });
  }

  /** Hands over files of a data set; a run that needs them is opened after. `data` or `error` follows. */
  data(files: DataFile[]): void {
    this.send({ kind: "data", files }, files.map(({ bytes }) => bytes));
  }

  /** Runs until paused or finished; without effect while running. */
  start(): void {
    this.send({ kind: "start" });
  }

  /** Stops after the steps that are under way. */
  pause(): void {
    this.send({ kind: "pause" });
  }

  /** Takes exactly one step. */
  step(): void {
    this.send({ kind: "step" });
  }

  /** Changes the learning rate from the next step on; `changed` says which step that is. */
  setLr(lr: number): void {
    this.send({ kind: "set-lr", lr });
  }

  /** Flips the last bit of one weight after the next step. */
  flipBit(flip: FlipBit): void {
    this.send({ kind: "flip-bit", flip });
  }

  /** Reads these parameters of all replicas every now and then, beside the step loop. */
  watch(tensors: string[]): void {
    this.send({ kind: "watch", tensors });
  }

  /** A new worker in place of one whose device is lost. The data sets that it held are gone with it. */
  restart(): void {
    this.worker.terminate();
    this.worker = this.startWorker();
  }

  /** Ends the worker. */
  close(): void {
    this.listeners.clear();
    this.worker.terminate();
  }
}

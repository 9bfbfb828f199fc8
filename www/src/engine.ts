// The engine: a typed client of the worker that trains. Commands go in, events come out; nothing here blocks the page.
import type { LiveBackend } from "./backend";
import { t } from "./language/language";
import type { Command, Config, DataFile, EngineEvent, FlipBit, WatchedRange } from "./messages";
import { startWorker } from "./start_worker";

type Listener = (event: EngineEvent) => void;

/** A worker with the core in it, and at most one run. */
export class Engine {
  private readonly worker: Worker;
  private run = 0;
  private readonly listeners = new Set<Listener>();

  constructor(readonly backend: LiveBackend) {
    this.worker = startWorker("run", backend);
    this.worker.onmessage = ({ data }: MessageEvent<{ run: number; event: EngineEvent }>) => {
      if (data.run === this.run || data.event.kind === "data") this.emit(data.event);
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      const message = t("{error}: reload the page", { error: event.message || t("the worker did not load") });
      this.emit({ kind: "error", fault: "load", message });
    };
  }

  private emit(event: EngineEvent): void {
    for (const listener of [...this.listeners]) listener(event);
  }

  /** Calls `listener` with every event of the current run. Returns a function that removes it. */
  on(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private send(command: Command, transfer: Transferable[] = []): void {
    this.worker.postMessage(command, transfer);
  }

  /** Opens a run, paused before its first step, and closes the previous one. `opened` or `error` follows. */
  open(config: Config): void {
    this.run += 1;
    this.send({ kind: "open", run: this.run, config, cores: navigator.hardwareConcurrency });
  }

  /** Sends files of data sets, or archives, to the worker, for runs opened later. `data` or `error` follows. */
  data(files: DataFile[]): void {
    this.send({ kind: "data", files }, files.map(({ bytes }) => bytes));
  }

  /** Trains until paused or finished, at most `pace` steps a second; has no effect while running. */
  start(pace?: number): void {
    this.send({ kind: "start", pace });
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

  /** Has the worker read these weights of all replicas, at most four times a second. The step loop does not wait for it. */
  watch(ranges: WatchedRange[]): void {
    this.send({ kind: "watch", ranges });
  }

  /** Has the worker send the test images, and about once a second where the copies stand. */
  observe(): void {
    this.send({ kind: "observe" });
  }

  /** Certifies the device. `certificate` or `error` follows; the engine then takes no other command. */
  certify(): void {
    this.send({ kind: "certify" });
  }

  /** Terminates the worker. */
  close(): void {
    this.listeners.clear();
    this.worker.terminate();
  }
}

// What the page and the worker say to each other. Rows and bits travel as typed arrays, everything else as plain objects.

/** The keys of the native `config.toml`, with their values as JSON (core's `TrainConfig`). */
export type Config = Record<string, string | number | boolean | number[] | string[]>;

/** A file that was dropped or fetched. */
export interface DataFile {
  name: string;
  bytes: ArrayBuffer;
}

/** One bit to flip: the fault injector of core. Without a step it is flipped after the next one. */
export interface FlipBit {
  tensor: string;
  index: number;
  replica: number;
  step?: number;
}

/** Elements of a parameter that are watched, row-major. */
export interface WatchedRange {
  tensor: string;
  first: number;
  count: number;
}

/** From the page. `run` counts the runs of an engine; what concerns an older one is ignored. */
export type Command =
  | { kind: "open"; run: number; config: Config }
  | { kind: "start" | "pause" | "step" | "close" }
  | { kind: "set-lr"; lr: number }
  | { kind: "flip-bit"; flip: FlipBit }
  | { kind: "watch"; ranges: WatchedRange[] }
  | { kind: "data"; files: DataFile[] };

/** A parameter of the network. */
export interface Tensor {
  name: string;
  /** Row-major: `[K][C][kh][kw]` for a convolution. */
  shape: number[];
  convolution: boolean;
}

/** The run that was opened. */
export interface Opened {
  kind: "opened";
  adapter: { name: string; driver: string; backend: string; software: boolean };
  network: string;
  tensors: Tensor[];
  parameters: number;
  ks: number[];
  /** Replicas that must equal the first bit for bit. */
  controls: number[];
  totalSteps: number;
  stepsPerEpoch: number;
  /** Seconds that it took to allocate and compile. */
  seconds: number;
}

/** Columns of a row of `steps` after the three `step`, `epoch`, `lr`: one for each replica, in this order. */
export const STEP_COLUMNS = ["loss", "relL1", "maxUlp", "differing", "differingAnywhere", "accuracy"] as const;
export const STEP_HEAD = 3;

/** Rows of steps, row-major: `[n][3 + 6 R]`. */
export interface Steps {
  kind: "steps";
  rows: Float64Array<ArrayBuffer>;
}

/** One replica's layers at one step. */
export interface Layers {
  kind: "layers";
  step: number;
  replica: number;
  fingerprint: string;
  /** Of each convolution, in network order; `null` where it is not finite. */
  relL1: (number | null)[];
}

/** An evaluation on the test images; accuracies in percent. */
export interface Epoch {
  kind: "epoch";
  epoch: number;
  step: number;
  trainLoss: (number | null)[];
  trainAccuracy: (number | null)[];
  testLoss: (number | null)[];
  testAccuracy: (number | null)[];
}

/** Bits of the watched ranges after a step, `[R][count]` each. */
export interface Tensors {
  kind: "tensors";
  step: number;
  ranges: (WatchedRange & { bits: Uint32Array })[];
}

/** Files of data sets that have arrived, what their data sets still lack, and whether they are the published ones. */
export interface Data {
  kind: "data";
  files: { dataset: string; file: string; items: number }[];
  missing: Record<string, string | undefined>;
  origins: Record<string, string | undefined>;
}

/** What can go wrong, as far as the page reacts to it differently. */
export type Fault = "config" | "data" | "device-lost" | "out-of-memory" | "gpu" | "load";

/** From the worker. */
export type EngineEvent =
  | Opened
  | Steps
  | Layers
  | Epoch
  | Tensors
  | { kind: "state"; running: boolean; finished: boolean }
  | { kind: "changed"; what: "lr"; step: number; lr: number }
  | { kind: "changed"; what: "flip-bit"; step: number; flip: FlipBit }
  | Data
  | { kind: "error"; fault: Fault; message: string };

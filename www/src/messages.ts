// The messages between the page and the worker. Rows and bits are typed arrays, everything else is plain objects.

/** The keys of the native `config.toml`, with their values as JSON (core's `TrainConfig`). */
export type Config = Record<string, string | number | boolean | number[] | string[]>;

/** A file that was dropped or fetched. */
export interface DataFile {
  name: string;
  bytes: ArrayBuffer;
}

/** One bit to flip (core's fault injector), after `step` or, without one, after the next step. */
export interface FlipBit {
  tensor: string;
  index: number;
  replica: number;
  step?: number;
}

/** Watched elements of a parameter, row-major. */
export interface WatchedRange {
  tensor: string;
  first: number;
  count: number;
}

/** A message from the page. `run` counts the runs of an engine; events of an older run are ignored. */
export type Command =
  | { kind: "open"; run: number; config: Config; /** Of the machine. */ cores: number }
  | { kind: "start"; pace?: number | undefined }
  | { kind: "pause" | "step" | "close" }
  | { kind: "set-lr"; lr: number }
  | { kind: "flip-bit"; flip: FlipBit }
  | { kind: "watch"; ranges: WatchedRange[] }
  | { kind: "observe" }
  | { kind: "data"; files: DataFile[] }
  | { kind: "certify" };

/** A parameter of the network. */
export interface Tensor {
  name: string;
  /** Row-major: `[K][C][kh][kw]` for a convolution, `[K][C]` for a dense layer. */
  shape: number[];
  measured: boolean;
}

/** How a device rounds a·b + c. */
export type DeviceClass = "fused" | "separate" | "neither";

/** The fingerprints that every device of a class finds in a run, by step and replica. */
export interface Published {
  class: DeviceClass;
  subnormals: Certificate["arithmetic"]["subnormals"];
  steps: { step: number; fingerprints: string[] }[];
}

/** Describes the run that was opened. */
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
  /** Present if this run has published fingerprints. */
  published?: Published | null;
  /** Number of workers that train the replicas, in a live run. */
  workers?: number;
  /** Seconds that it took to allocate and compile. */
  seconds: number;
}

/** Columns of a row of `steps` after `step`, `epoch` and `lr`, in this order; each has one value for every replica. */
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
  /** Bits of the first measured weight; recorded runs lack most of them. */
  weight?: number;
  /** Relative L1 of each measured tensor from the first replica's, in network order; `null` where it is not finite. */
  relL1: (number | null)[];
}

/** An evaluation on the test images, by replica; accuracies in percent. */
export interface Epoch {
  kind: "epoch";
  epoch: number;
  step: number;
  trainLoss: (number | null)[];
  trainAccuracy: (number | null)[];
  testLoss: (number | null)[];
  testAccuracy: (number | null)[];
}

/** Curvature of the loss at the first copy's weights. */
export interface CurvatureEvent {
  kind: "curvature";
  step: number;
  lr: number;
  /** Largest eigenvalue of the Hessian on a fixed subset; `null` where it is not finite. */
  lambdaMax: number | null;
  /** Batch Sharpness with its standard error. */
  batchSharpness: number | null;
  batchSharpnessError: number | null;
  /** The same event as the native program writes it into `metrics.jsonl`. */
  line: string;
}

/** Growth of the copies' distances from the first, for a Lyapunov exponent. */
export interface GrowthEvent {
  kind: "growth";
  step: number;
  /** Steps since the copies were last put back to their distances. */
  steps: number;
  /** Natural logarithm of the growth of each copy's distance; `null` where it is not finite. */
  growth: (number | null)[];
  /** The same event as the native program writes it into `metrics.jsonl`. */
  line: string;
}

/** Bits of the watched ranges after a step, `[R][count]` each. */
export interface Tensors {
  kind: "tensors";
  step: number;
  ranges: (WatchedRange & { bits: Uint32Array })[];
}

/** The first test images of the run. */
export interface TestImages {
  kind: "images";
  /** Channels, height, width. */
  shape: [channels: number, height: number, width: number];
  labels: number[];
  /** Names of the classes, by label. */
  classes: string[];
  /** Bytes `[N][C][H][W]`. */
  pixels: Uint8Array<ArrayBuffer>;
}

/** Where the copies stand after a step, which is measured about once a second. */
export interface Standing {
  kind: "standing";
  step: number;
  /** Relative L1 of the first copy from its own start, and from the start that the next seed gives; `null` for very large networks. */
  fromStart: number | null;
  fromSeed: number | null;
  /** The class that each copy sees in each of the test images, `[R][N]`. */
  predictions: number[][];
}

/** Files that have arrived, the first missing file of each of their data sets, and whether its images are the published ones. */
export interface Data {
  kind: "data";
  files: { dataset: string; file: string; items: number }[];
  missing: Record<string, string | undefined>;
  origins: Record<string, string | undefined>;
}

/** The first element in which a kernel has other bits. */
export interface KernelFailure {
  kernel: string;
  constants: string;
  case: string;
  buffer: string;
  element: number;
  expected: string;
  found: string;
  elements: number;
}

/** A promise, and whether the device keeps it. An exception is a documented one, and no break. */
export interface CertifiedPromise {
  name: string;
  meaning: string;
  kept: boolean;
  exception: string | null;
  checked: string;
  seconds: number;
  failures: (string | KernelFailure)[];
  failure_count: number;
}

/** The fields of a certificate that the page reads. */
export interface Certificate {
  arithmetic: { class: DeviceClass; subnormals: "kept" | "flushed" };
  promises: CertifiedPromise[];
  /** Why something was not checked. */
  unfinished: string | null;
  kept: boolean;
}

/** What happens during a certification; `json` is the certificate, which ends it. */
export type CertifyEvent =
  | ({ kind: "arithmetic"; adapter: string } & Certificate["arithmetic"])
  | { kind: "subject"; name: string }
  | { kind: "promise"; promise: CertifiedPromise }
  | { kind: "certificate"; json: string };

/** The kinds of errors that the page treats differently. */
export type Fault = "config" | "data" | "device-lost" | "out-of-memory" | "gpu" | "load";

/** A message from the worker. */
export type EngineEvent =
  | Opened
  | Steps
  | Layers
  | Epoch
  | CurvatureEvent
  | GrowthEvent
  | Tensors
  | TestImages
  | Standing
  | { kind: "state"; running: boolean; finished: boolean }
  | { kind: "changed"; what: "lr"; step: number; lr: number }
  | { kind: "changed"; what: "flip-bit"; step: number; flip: FlipBit }
  | Data
  | CertifyEvent
  | { kind: "error"; fault: Fault; message: string };

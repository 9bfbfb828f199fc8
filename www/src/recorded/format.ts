// A recorded run: www/recorded/record.mjs writes it from a run folder of the native program, and this file turns it into the
// events that the worker would have sent. Bits of weights are exact; plotted numbers have the digits that a plot shows.
import { t } from "../language/language";
import type { CurvatureEvent, Epoch, Layers, Opened, Steps } from "../messages";
import { STEP_COLUMNS, STEP_HEAD } from "../messages";

type Numbers = (number | null)[];

/** The content of the file. Arrays by step begin at step 1; inner arrays are in the order of `ks`. */
export interface RecordedFile {
  title: string;
  /** The command line of the same run. */
  command: string;
  version: string;
  adapter: string;
  driver: string;
  network: string;
  parameters: number;
  ks: number[];
  controls: number[];
  stepsPerEpoch: number;
  convolutions: string[];
  epochs: number[];
  lr: number[];
  loss: Numbers[];
  relL1: Numbers[];
  maxUlp: number[][];
  differing: number[][];
  /** `weight` has the bits of the first weight of the first convolution; files of older programs lack it. */
  layers: { step: number; replica: number; fingerprint: string; weight?: number; relL1: Numbers }[];
  evaluations: Omit<Epoch, "kind">[];
  /** Measurements of the curvature, if the run made any, and the settings that its edge depends on. */
  curvature?: Omit<CurvatureEvent, "kind" | "line">[];
  settings?: Record<string, string>;
  /** `bits` is base64 for each of `steps`: see {@link unpackBits}. */
  tensors: { name: string; shape: number[]; steps: number[]; bits: string[] }[];
}

/** A run that can be shown up to any step. */
export interface Recording {
  file: RecordedFile;
  opened: Opened;
  /** Row s - 1 is step s, in the columns of a worker's `steps`. */
  rows: Float64Array<ArrayBuffer>[];
  layers: Layers[];
  epochs: Epoch[];
  curvature: CurvatureEvent[];
  /** In order of steps; the first is step 0, the common start. Bits are `[R][elements]` by tensor. */
  snapshots: { step: number; bits: Map<string, Uint32Array> }[];
}

/** Fetches the run `name` from the page's folder and unpacks it. Throws an `Error` with a message of one line. */
export async function fetchRecording(name: string): Promise<Recording> {
  const url = new URL(`recorded/${name}.json.gz`, document.baseURI);
  const response = await fetch(url).catch(() => undefined);
  if (response?.ok !== true) {
    throw new Error(t("the host does not serve the recorded run '{name}' ({status})", { name, status: response?.status ?? t("no connection") }));
  }
  const bytes = await response.arrayBuffer();
  // A host may have unpacked the file on the way (Content-Encoding); gzip begins with 1f 8b.
  const [first, second] = new Uint8Array(bytes, 0, 2);
  const packed = first === 0x1f && second === 0x8b;
  const body = new Response(packed ? new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")) : bytes);
  return unpack((await body.json()) as RecordedFile);
}

/** The run of a recorded file. */
export function unpack(file: RecordedFile): Recording {
  const snapshots = new Map<number, Map<string, Uint32Array>>();
  for (const { name, steps, bits } of file.tensors) {
    for (const [index, step] of steps.entries()) {
      const snapshot = snapshots.get(step) ?? new Map<string, Uint32Array>();
      snapshots.set(step, snapshot.set(name, unpackBits(bits[index]!, file.ks.length)));
    }
  }
  const shapes = new Map(file.tensors.map(({ name, shape }) => [name, shape]));
  return {
    file,
    opened: {
      kind: "opened",
      adapter: { name: file.adapter, driver: file.driver, backend: "recorded", software: false },
      network: file.network,
      tensors: file.convolutions.map((name) => ({ name, shape: shapes.get(name) ?? [], measured: true })),
      parameters: file.parameters,
      ks: file.ks,
      controls: file.controls,
      totalSteps: file.loss.length,
      stepsPerEpoch: file.stepsPerEpoch,
      seconds: 0,
    },
    rows: file.loss.map((_, index) => rowOf(file, index)),
    layers: file.layers.map((layers) => ({ kind: "layers", ...tracedWeight(layers, file, snapshots), ...layers })),
    epochs: file.evaluations.map((evaluation) => ({ kind: "epoch", ...evaluation })),
    // Rounded numbers are not those of a metrics.jsonl.
    curvature: (file.curvature ?? []).map((measured) => ({ kind: "curvature", ...measured, line: "" })),
    snapshots: [...snapshots].map(([step, bits]) => ({ step, bits })).sort((a, b) => a.step - b.step),
  };
}

/** The first weight of the first convolution, if the snapshots have its bits at that step. */
function tracedWeight({ step, replica }: { step: number; replica: number }, { ks, convolutions }: RecordedFile, snapshots: Map<number, Map<string, Uint32Array>>): { weight?: number } {
  const bits = snapshots.get(step)?.get(convolutions[0] ?? "");
  return bits === undefined ? {} : { weight: bits[(bits.length / ks.length) * replica]! };
}

function rowOf(file: RecordedFile, index: number): Float64Array<ArrayBuffer> {
  const n = file.ks.length;
  const row = new Float64Array(STEP_HEAD + STEP_COLUMNS.length * n).fill(Number.NaN);
  row.set([index + 1, file.epochs[index]!, file.lr[index]!]);
  const columns: Partial<Record<(typeof STEP_COLUMNS)[number], Numbers>> = {
    loss: file.loss[index]!,
    relL1: file.relL1[index]!,
    maxUlp: file.maxUlp[index]!,
    differing: file.differing[index]!,
    // The file lacks this column. For controls the recorder has compared the fingerprints with the first replica's, which is
    // stricter.
    differingAnywhere: file.differing[index]!,
  };
  for (const [column, name] of STEP_COLUMNS.entries()) {
    for (const [replica, value] of (columns[name] ?? []).entries()) {
      if (value !== null) row[STEP_HEAD + column * n + replica] = value;
    }
  }
  return row;
}

/** Bits `[R][n]`, from base64 of each replica's bytes, all of the highest first. Replicas but the first are xor the first. */
function unpackBits(text: string, replicas: number): Uint32Array<ArrayBuffer> {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const n = bytes.length / 4 / replicas;
  const bits = new Uint32Array(n * replicas);
  for (let replica = 0; replica < replicas; replica++) {
    const plane = bytes.subarray(4 * n * replica);
    for (let i = 0; i < n; i++) {
      const word = (plane[i]! << 24) | (plane[n + i]! << 16) | (plane[2 * n + i]! << 8) | plane[3 * n + i]!;
      bits[replica * n + i] = replica === 0 ? word : word ^ bits[i]!;
    }
  }
  return bits;
}

/** `rows` as one event. */
export function stepsOf(rows: Float64Array<ArrayBuffer>[]): Steps {
  const width = rows[0]?.length ?? 0;
  const joined = new Float64Array(width * rows.length);
  for (const [index, row] of rows.entries()) joined.set(row, index * width);
  return { kind: "steps", rows: joined };
}

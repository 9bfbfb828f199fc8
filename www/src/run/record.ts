// The record of a run: what its events reported, in the form that plots and tables read. Events come from the engine or from a
// recorded run.
import {
  STEP_COLUMNS, STEP_HEAD, type CurvatureEvent, type Epoch, type FlipBit, type GrowthEvent, type Layers, type Standing, type Steps, type Tensor, type Tensors, type TestImages,
} from "../messages";
import { Column } from "./columns";
import type { Treatment } from "./treatments";

/** What a record needs before its first step. */
export interface RunShape {
  ks: number[];
  /** Replicas that must equal the first bit for bit. */
  controls: number[];
  tensors: Tensor[];
  /** What is done to each copy beside k; empty or absent if nothing is. */
  treatments?: readonly Treatment[];
}

/** The layers at one step. */
export interface LayerColumn {
  step: number;
  /** Relative L1 by replica, each in the order of `RunRecord.layerNames`. */
  relL1: (Float32Array | undefined)[];
  fingerprints: (string | undefined)[];
  /** Bits of the traced weight by replica. */
  weights: (number | undefined)[];
}

/** The name of a column that has a value for each replica. */
export type StepColumn = (typeof STEP_COLUMNS)[number];

/** The record of a run. */
export class RunRecord {
  readonly ks: readonly number[];
  readonly controls: readonly number[];
  readonly treatments: readonly Treatment[];
  readonly layerNames: readonly string[];
  readonly step = new Column();
  readonly epoch = new Column();
  readonly lr = new Column();
  /** Columns by name and replica. */
  readonly columns: Record<StepColumn, Column[]>;
  readonly layers: LayerColumn[] = [];
  readonly epochs: Epoch[] = [];
  readonly curvature: CurvatureEvent[] = [];
  readonly growth: GrowthEvent[] = [];
  readonly standings: Standing[] = [];
  images: TestImages | undefined;
  /** Number of all measured weights, if their shapes are known: most recorded runs lack them. */
  readonly weights: number | undefined;
  readonly lrChanges: { step: number; lr: number }[] = [];
  readonly flips: { step: number; flip: FlipBit }[] = [];
  /** The newest bits of the watched tensors. */
  tensors: Tensors | undefined;
  /** The first step after which a control differed. */
  firstRed: number | undefined;

  /** `isPending`: the core has not described the run yet. */
  constructor(
    { ks, controls, tensors, treatments = [] }: RunShape,
    readonly isPending = false,
  ) {
    this.ks = ks;
    this.controls = controls;
    this.treatments = treatments;
    const measured = tensors.filter((tensor) => tensor.measured);
    this.layerNames = measured.map(({ name }) => name);
    const elements = (shape: readonly number[]): number => shape.reduce((product, side) => product * side, 1);
    const isKnown = measured.every(({ shape }) => shape.length > 0);
    this.weights = isKnown ? measured.reduce((sum, { shape }) => sum + elements(shape), 0) : undefined;
    const columns = STEP_COLUMNS.map((name) => [name, ks.map(() => new Column())]);
    this.columns = Object.fromEntries(columns) as Record<StepColumn, Column[]>;
  }

  /** Appends rows of steps. */
  addSteps({ rows }: Steps): void {
    const n = this.ks.length;
    const stride = STEP_HEAD + STEP_COLUMNS.length * n;
    for (let at = 0; at < rows.length; at += stride) {
      this.step.push(rows[at]!);
      this.epoch.push(rows[at + 1]!);
      this.lr.push(rows[at + 2]!);
      STEP_COLUMNS.forEach((name, column) => {
        for (let r = 0; r < n; r++) this.columns[name][r]!.push(rows[at + STEP_HEAD + column * n + r]!);
      });
      if (this.firstRed === undefined && this.differingControls() > 0) this.firstRed = rows[at]!;
    }
  }

  /** Adds one replica's layers. */
  addLayers({ step, replica, relL1, fingerprint, weight }: Layers): void {
    let column = this.layers.at(-1);
    if (column?.step !== step) {
      const none = () => this.ks.map(() => undefined);
      column = { step, relL1: none(), fingerprints: none(), weights: none() };
      this.layers.push(column);
    }
    column.relL1[replica] = Float32Array.from(relL1, (value) => value ?? Number.NaN);
    column.fingerprints[replica] = fingerprint;
    column.weights[replica] = weight;
  }

  /** Number of elements of all controls that differ from the first replica after the last step. */
  differingControls(): number {
    return this.controls.reduce((sum, r) => sum + (this.last("differingAnywhere", r) ?? 0), 0);
  }

  /** The newest value of a column. */
  last(name: StepColumn, replica: number): number | undefined {
    return this.columns[name][replica]?.last();
  }

  /** The last step, 0 before the first. */
  lastStep(): number {
    return this.step.last() ?? 0;
  }
}

// The two plots of a run: the distance of the replicas from the first, and their losses.
import { LinePlot, type Curve } from "../plots/line_plot";
import type { RunRecord, StepColumn } from "./record";
import { colourOf, labelOf, repeatsColour } from "./replicas";
import type { Component, RunSource } from "./session";

/** A plot of one column of the steps. */
export class RunPlot implements Component {
  readonly plot: LinePlot;
  readonly element: HTMLElement;
  /** Curves of an earlier run, with their steps. */
  private pinned: { x: Float64Array; curves: Curve[] } | undefined;

  constructor(
    private readonly column: StepColumn,
    options: ConstructorParameters<typeof LinePlot>[0],
    private readonly withFirst: boolean,
  ) {
    this.plot = new LinePlot(options);
    this.element = this.plot.element;
  }

  update({ record }: RunSource): void {
    const own = record === undefined ? [] : this.curves(record);
    const x = record?.step.values() ?? new Float64Array();
    const longer = this.pinned !== undefined && this.pinned.x.length > x.length ? this.pinned.x : x;
    const marks = [
      ...(record?.lrChanges ?? []).map(({ step, lr }) => ({ x: step, label: `lr ${lr}` })),
      ...(record?.flips ?? []).map(({ step }) => ({ x: step, label: "bit flipped" })),
    ];
    this.plot.set({ x: longer, curves: [...(this.pinned?.curves ?? []), ...own], marks });
  }

  /** Keeps the curves of `record` for comparison; `undefined` drops those that are kept. */
  pin(record: RunRecord | undefined): void {
    this.pinned = record && {
      x: record.step.values().slice(),
      curves: this.curves(record).map((curve) => ({
        ...curve,
        label: `${curve.label}, pinned`,
        values: curve.values.slice(),
        pinned: true,
      })),
    };
  }

  close(): void {
    this.plot.close();
  }

  private curves(record: RunRecord): Curve[] {
    const replicas = record.ks.map((_, r) => r).filter((r) => this.withFirst || r > 0);
    return replicas.map((r) => ({
      label: labelOf(record, r),
      colour: colourOf(record, r),
      values: record.columns[this.column][r]!.values(),
      dashed: record.controls.includes(r),
      dotted: repeatsColour(record, r),
    }));
  }
}

/** Divergence against the step. */
export const divergencePlot = (): RunPlot =>
  new RunPlot("relL1", { title: "Distance from the first copy", note: "relative L1 of the convolution weights", log: true }, false);

/** Loss of each batch against the step. */
export const lossPlot = (): RunPlot => new RunPlot("loss", { title: "Loss", note: "of each batch", height: 12 }, true);

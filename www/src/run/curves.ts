// The two plots of a run: the distance of the replicas from the first, and their losses.
import { t } from "../language/language";
import { LinePlot, type Curve } from "../plots/line_plot";
import type { RunRecord, StepColumn } from "./record";
import { colourOf, labelOf, repeatsColour } from "./replicas";
import type { Component, RunSource } from "./session";

/** A plot of one column of the steps. */
export class RunPlot implements Component {
  readonly plot: LinePlot;
  readonly observes: boolean;
  readonly element: HTMLElement;
  /** Curves of an earlier run, with their steps. */
  private pinned: { x: Float64Array; curves: Curve[] } | undefined;

  constructor(
    private readonly column: StepColumn,
    options: ConstructorParameters<typeof LinePlot>[0],
    private readonly withFirst: boolean,
    /** Whether the plot has lines of scale: another seed's distance, and the first copy's from its own start. */
    private readonly withScale = false,
  ) {
    this.observes = withScale;
    this.plot = new LinePlot(options);
    this.element = this.plot.element;
    this.element.classList.toggle("with-scale", withScale);
  }

  update({ record }: RunSource): void {
    const own = record === undefined ? [] : [...this.curves(record), ...(this.withScale ? scaleCurves(record) : [])];
    const x = record?.step.values() ?? new Float64Array();
    const longer = this.pinned !== undefined && this.pinned.x.length > x.length ? this.pinned.x : x;
    const marks = [
      ...(record?.lrChanges ?? []).map(({ step, lr }) => ({ x: step, label: t("lr {rate}", { rate: lr }) })),
      ...(record?.flips ?? []).map(({ step }) => ({ x: step, label: t("bit flipped") })),
    ];
    this.plot.set({ x: longer, curves: [...(this.pinned?.curves ?? []), ...own], marks });
  }

  /** Keeps the curves of `record`, whose labels end with `as`, for comparison; `undefined` drops those that are kept. */
  pin(record: RunRecord | undefined, as = t("pinned")): void {
    this.pinned = record && {
      x: record.step.values().slice(),
      curves: this.curves(record).map((curve) => ({
        ...curve,
        label: `${curve.label}, ${as}`,
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

/** The lines of scale of a record; none if nothing was measured. */
function scaleCurves(record: RunRecord): Curve[] {
  const { standings } = record;
  const first = labelOf(record, 0);
  const lines = [["fromStart", t("{first} from its own start", { first }), "ref"], ["fromSeed", t("{first} from another seed’s start", { first }), "soft"]] as const;
  return lines.flatMap(([key, label, colour]) => {
    const values = between(standings.map((standing) => [standing.step, standing[key]]), record.step.values());
    return values === undefined ? [] : [{ label, colour, values, pinned: true }];
  });
}

/** The values at each of `steps`, straight between those measured; level after the last, and not drawn before the first. `undefined` if none was measured. */
export function between(measured: readonly [step: number, value: number | null][], steps: Float64Array): Float64Array | undefined {
  const known = measured.filter((one): one is [number, number] => one[1] !== null);
  if (known.length === 0) return undefined;
  const values = new Float64Array(steps.length);
  let at = 0;
  steps.forEach((step, i) => {
    while (at + 1 < known.length && known[at + 1]![0] <= step) at += 1;
    const [[from, value], next] = [known[at]!, known[at + 1]];
    const share = next === undefined ? 0 : (step - from) / (next[0] - from);
    values[i] = step < from ? Number.NaN : value + share * ((next?.[1] ?? value) - value);
  });
  return values;
}

/** Divergence against the step. */
export const divergencePlot = (withScale = false): RunPlot =>
  new RunPlot("relL1", { title: t("Distance from the first copy"), note: t("relative L1 of the weights"), log: true }, false, withScale);

/** Loss of each batch against the step. */
export const lossPlot = (): RunPlot => new RunPlot("loss", { title: t("Loss"), note: t("of each batch"), height: 12 }, true);

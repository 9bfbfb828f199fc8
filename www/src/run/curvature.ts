// The curvature of the loss along a run, beside the values at which gradient descent loses stability: a plot, a line of words and a
// table. The same figure as in a native run's report (native/src/report/figures.rs).
import { h, setText } from "../dom";
import { t } from "../language/language";
import type { CurvatureEvent } from "../messages";
import { formatCount, readableNumber } from "../numbers";
import { commonAxis, onAxis } from "../plots/common_axis";
import { LinePlot, type Curve } from "../plots/line_plot";
import type { Values } from "../properties";
import type { RunRecord } from "./record";
import type { Component, RunSource } from "./session";
import "./run.css";

/** A value at which gradient descent loses stability: `times` / learning rate - `decay`. */
export interface Edge {
  label: string;
  times: number;
  /** The weight decay, which the measured loss does not contain: it adds its value to every eigenvalue of the Hessian of what is trained. */
  decay: number;
}

const edgeAt = ({ times, decay }: Edge, lr: number): number => times / lr - decay;

/** The axis is logarithmic if a value exceeds this, as in a native report. */
const MOST_LINEAR = 1e4;
/** Rows of the table at most: the newest ones. */
const MOST_ROWS = 100;

/**
 * The edges of a run, the plain one first. Full batches with momentum: Cohen et al. 2021, appendix B. Small batches: arXiv 2604.14108.
 */
export function edgesOf(values: Values): Edge[] {
  if (values["optimizer"] === "adamw") return [];
  const [b, decay] = [Number(values["momentum"]), Number(values["weight-decay"] ?? 0)];
  const edge = (formula: string, times: number, name = (edge: string): string => edge): Edge => ({
    label: name(decay > 0 ? `${formula} - ${decay}` : formula), times, decay,
  });
  const plain = edge("2/lr", 2);
  if (!(b > 0)) return [plain];
  const whole = (edge: string): string => t("{edge}, full batches", { edge });
  return [
    plain,
    values["nesterov"] === "true" ? edge("2(1+b)/(1+2b)/lr", (2 * (1 + b)) / (1 + 2 * b), whole) : edge("2(1+b)/lr", 2 * (1 + b), whole),
    edge("2(1-b)/lr", 2 * (1 - b), (edge) => t("{edge}, small batches", { edge })),
  ];
}

/** The styles of the lines of edges, in the order of {@link edgesOf}. */
const EDGE_LINES: readonly Pick<Curve, "colour" | "dashed" | "dotted">[] = [
  { colour: "ref", dashed: true },
  { colour: "c3", dashed: true },
  { colour: "c4", dotted: true },
];

const column = (lines: readonly CurvatureEvent[], value: (line: CurvatureEvent) => number | null): Float64Array =>
  Float64Array.from(lines, (line) => value(line) ?? Number.NaN);

/** The curves of measurements; x is their step. */
export function curvatureCurves(lines: readonly CurvatureEvent[], edges: readonly Edge[]): Curve[] {
  return [
    { label: t("largest eigenvalue"), colour: "c0", values: column(lines, ({ lambdaMax }) => lambdaMax) },
    { label: "Batch Sharpness", colour: "c1", values: column(lines, ({ batchSharpness }) => batchSharpness) },
    ...edges.map((edge, i) => ({ label: edge.label, ...EDGE_LINES[i]!, values: column(lines, ({ lr }) => edgeAt(edge, lr)) })),
  ];
}

/** The newest measurement in words. */
export function curvatureText(lines: readonly CurvatureEvent[], edges: readonly Edge[]): string {
  const last = lines.at(-1);
  if (last === undefined) return "";
  const { step, lr, lambdaMax, batchSharpness } = last;
  const [plain] = edges;
  const found = { step: formatCount(step), value: readableNumber(lambdaMax ?? Number.NaN), batches: readableNumber(batchSharpness ?? Number.NaN) };
  if (plain === undefined) return t("After step {step}: largest eigenvalue {value}, Batch Sharpness {batches}.", found);
  return t("After step {step}: largest eigenvalue {value}, Batch Sharpness {batches}; {name} is {edge}.", {
    ...found, name: plain.label, edge: readableNumber(edgeAt(plain, lr)),
  });
}

/** The first step after which the largest eigenvalue was at the plain edge or beyond. */
export function crossedAt(lines: readonly CurvatureEvent[], edges: readonly Edge[]): number | undefined {
  const [plain] = edges;
  return plain === undefined ? undefined : lines.find(({ lambdaMax, lr }) => (lambdaMax ?? Number.NaN) >= edgeAt(plain, lr))?.step;
}

/** Plot, line and table; hidden while the run measures no curvature, unless it is fixed. */
export class CurvaturePlot implements Component {
  private readonly plot = new LinePlot({
    title: t("Curvature of the loss at the first copy"),
    note: t("sharpness, against the step"),
    height: 13,
    fromZero: true,
    empty: t("Not measured yet"),
  });
  private readonly line = h("p", { class: "story", "data-testid": "curvature-line" });
  /** Screen readers hear of the edge, not of every measurement. */
  private readonly heard = h("p", { class: "hidden", role: "status" });
  private readonly head = h("tr", {});
  private readonly body = h("tbody", {});
  private readonly table = h(
    "details",
    {},
    h("summary", { class: "note" }, t("All measurements in a table")),
    h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": t("Measurements of the curvature") }, h("table", { class: "numbers" }, h("thead", {}, this.head), this.body)),
  );
  readonly element = h("div", { class: "curvature", "data-testid": "curvature" }, this.plot.element, this.line, this.heard, this.table);
  private record: RunRecord | undefined;
  private shown = 0;
  /** The largest eigenvalue of an earlier run. */
  private pinned: { x: Float64Array; curve: Curve } | undefined;

  /** `isFixed`: there is a plot also where nothing is measured yet, so that nothing moves when a run begins. */
  constructor(private readonly isFixed = false) {
    this.element.hidden = !isFixed;
  }

  update({ record, values = {} }: RunSource): void {
    const lines = record?.curvature ?? [];
    this.element.hidden = !this.isFixed && (values["sharpness"] ?? "") === "" && lines.length === 0;
    if (this.element.hidden) return;
    const edges = edgesOf(values);
    const x = column(lines, ({ step }) => step);
    const own = curvatureCurves(lines, edges);
    const log = own.some(({ values }) => values.some((value) => value > MOST_LINEAR));
    this.plot.set({ ...this.withPinned(x, own, log), log });
    setText(this.line, curvatureText(lines, edges));
    const crossed = crossedAt(lines, edges);
    setText(this.heard, crossed === undefined ? "" : t("The largest eigenvalue has reached {name} by step {step}.", { name: edges[0]!.label, step: crossed }));
    this.showTable(record, edges);
  }

  /** Keeps the largest eigenvalue of `record` as a curve called `as`; `undefined` drops the one that is kept. */
  pin(record: RunRecord | undefined, as = t("pinned")): void {
    const lines = record?.curvature ?? [];
    const [curve] = curvatureCurves(lines, []);
    this.pinned = lines.length === 0 ? undefined : { x: column(lines, ({ step }) => step), curve: { ...curve!, label: `${curve!.label}, ${as}`, pinned: true } };
  }

  close(): void {
    this.plot.close();
  }

  /** Runs may be measured at other steps: the curves share all of them. */
  private withPinned(x: Float64Array, own: Curve[], log: boolean): { x: Float64Array; curves: Curve[] } {
    const { pinned } = this;
    if (pinned === undefined) return { x, curves: own };
    const all = [{ x: pinned.x, curve: pinned.curve }, ...own.map((curve) => ({ x, curve }))];
    const axis = commonAxis(all.map(({ x, curve: { values } }) => ({ x, values })));
    return { x: axis, curves: all.map(({ x, curve }) => ({ ...curve, values: onAxis({ x, values: curve.values }, axis, log) })) };
  }

  private showTable(record: RunRecord | undefined, edges: readonly Edge[]): void {
    const lines = record?.curvature ?? [];
    if (record === this.record && lines.length === this.shown) return;
    const isOther = record !== this.record || lines.length < this.shown;
    this.record = record;
    if (isOther) {
      const titles = [t("step"), t("largest eigenvalue"), "Batch Sharpness", ...edges.map(({ label }) => label)];
      this.head.replaceChildren(...titles.map((title) => h("th", { scope: "col" }, title)));
      this.body.replaceChildren();
      this.shown = 0;
    }
    for (const { step, lr, lambdaMax, batchSharpness, batchSharpnessError } of lines.slice(Math.max(this.shown, lines.length - MOST_ROWS))) {
      const mean = readableNumber(batchSharpness ?? Number.NaN);
      const error = (batchSharpnessError ?? 0) > 0 ? ` ± ${readableNumber(batchSharpnessError!)}` : "";
      const cells = [readableNumber(lambdaMax ?? Number.NaN), `${mean}${error}`, ...edges.map((edge) => readableNumber(edgeAt(edge, lr)))];
      this.body.append(h("tr", {}, h("th", { scope: "row" }, formatCount(step)), ...cells.map((cell) => h("td", {}, cell))));
    }
    while (this.body.children.length > MOST_ROWS) this.body.firstElementChild!.remove();
    this.shown = lines.length;
  }
}

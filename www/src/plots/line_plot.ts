// Plots curves against the step with uPlot: linear or logarithmic, with zoom, hover and marks. The number of points drawn is
// limited by the pixels, so that a long run costs no more than a short one.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { button, h, setText } from "../dom";
import { cancelFrame, inNextFrame } from "../frame";
import { t } from "../language/language";
import { readableNumber } from "../numbers";
import { canvasFont, colour, onTheme, rem } from "../style/theme";
import { decimate, visibleRange } from "./decimate";
import { lastAtEach, placeMarks, spreadLabels } from "./labels";
import { logScale, logTicks, powerText, tickTexts, toLog, type LogScale } from "./scale";

/** One curve. Value i belongs to element i of the plot's `x`; a curve may be shorter than `x`. */
export interface Curve {
  label: string;
  /** The name at its end, if it is shorter than the label. */
  end?: string;
  /** A colour of tokens.css: `ref`, `ctl`, `c0` to `c7`, `r0` to `r7`. */
  colour: string;
  values: Float64Array;
  dashed?: boolean;
  /** Another curve has the same colour. */
  dotted?: boolean;
  /** A curve of an earlier run, behind the others. */
  pinned?: boolean;
}

/** What a plot shows. */
export interface PlotData {
  x: Float64Array;
  curves: readonly Curve[];
  /** Steps at which something was changed. */
  marks?: readonly { x: number; label: string }[];
  /** What `x` is, if it is no step. It may have fractions. */
  xName?: string | undefined;
  /** Whether the vertical axis is logarithmic, if that depends on the data. */
  log?: boolean;
}

/** Distances of ticks on the horizontal axis. A step has no fractions. */
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6];
const FRACTIONS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];

interface Options {
  title: string;
  note?: string;
  log?: boolean;
  /** Height in rem. */
  height?: number;
  /** Whether each curve has its name at its end, too. */
  labelEnds?: boolean;
  /** Whether the vertical axis begins at 0, so that values that hardly differ look so. */
  fromZero?: boolean;
  /** The text shown while there are no data. */
  empty?: string;
}

/** Letters of a label that may need more than one line of a phone. */
const LONG_LABEL = 20;
/** Rows of the labels of marks. */
const MARK_ROWS = 3;
/** Room for names at the ends of curves, in rem. */
const END_ROOM = 3.2;

/** A plot in a figure. */
export class LinePlot {
  readonly element: HTMLElement;
  private readonly frame = h("div", { class: "plot-frame", tabindex: 0, role: "img" });
  private readonly legend = h("ul", { class: "legend" });
  private readonly empty: HTMLElement;
  private readonly zoomOut: HTMLButtonElement;
  private readonly options: Options;
  private readonly resize: ResizeObserver;
  private readonly endTheme: () => void;
  private data: PlotData = { x: new Float64Array(), curves: [] };
  private plot: uPlot | undefined;
  /** The axis, and names and styles of the curves, that `plot` was created for; others need another plot. */
  private createdFor = "";
  /** Names and styles of the curves in the legend. */
  private legendFor = "";
  private zoom: [number, number] | undefined;
  private chosen: Uint32Array = new Uint32Array();
  private scale: LogScale = { min: -9, max: 0, zero: undefined };
  private linear: [number, number] = [0, 1];
  private readonly draw = (): void => this.drawNow();

  constructor(options: Options) {
    this.options = options;
    this.empty = h("div", { class: "plot-empty" }, options.empty ?? t("No step yet"));
    this.zoomOut = button(t("Zoom out"), () => this.zoomTo(undefined), { class: "quiet", hidden: true });
    this.frame.style.setProperty("--h", String(options.height ?? 17));
    this.frame.setAttribute("aria-label", options.title);
    this.frame.append(this.empty);
    this.frame.addEventListener("keydown", (event) => this.onKey(event));
    this.element = h(
      "figure",
      { class: "plot" },
      h("figcaption", {}, h("b", {}, options.title), h("span", { class: "note" }, options.note), this.zoomOut),
      this.frame,
      this.legend,
    );
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(this.frame);
    this.endTheme = onTheme(() => this.recreate());
  }

  /** Shows `data` from the next frame on. */
  set(data: PlotData): void {
    this.data = data;
    inNextFrame(this.draw);
  }

  /** Shows steps `from` to `to`, or all of them. */
  zoomTo(range: [number, number] | undefined): void {
    this.zoom = range;
    this.zoomOut.hidden = range === undefined;
    inNextFrame(this.draw);
  }

  /** The plot as it is on screen, without a background; `undefined` while there is none. */
  canvas(): HTMLCanvasElement | undefined {
    return this.plot?.ctx.canvas;
  }

  get title(): string {
    return this.options.title;
  }

  /** What the vertical axis shows. */
  get note(): string {
    return this.options.note ?? "";
  }

  /** The curves that are drawn. */
  curves(): readonly Curve[] {
    return this.data.curves;
  }

  /** Removes the plot and its listeners. */
  close(): void {
    cancelFrame(this.draw);
    this.resize.disconnect();
    this.endTheme();
    this.destroy();
  }

  private drawNow(): void {
    const { x, curves } = this.data;
    this.empty.hidden = x.length > 0;
    const names = curves.map(({ label, colour, dashed, dotted, pinned }) => [label, colour, dashed, dotted, pinned].join()).join("|");
    if (names !== this.legendFor) this.legend.replaceChildren(...curves.map(legendItem));
    this.legendFor = names;
    const styles = `${names} ${this.isLog}`;
    // A plot is created once it has data: an empty one has no axes, and would move when they appear.
    if (x.length === 0) this.destroy();
    else if (styles !== this.createdFor || this.plot === undefined) this.create(styles);
    const plot = this.plot;
    if (plot === undefined) return;
    const range = this.zoom ?? [x[0]!, Math.max(x[x.length - 1]!, x[0]! + 1)];
    const window = visibleRange(x, ...range);
    this.chosen = decimate(curves.map(({ values }) => values), window, Math.max(Math.round(plot.over.clientWidth / 3), 50));
    this.rescale();
    const columns = curves.map(({ values }) => Array.from(this.chosen, (i) => this.toAxis(values[i] ?? Number.NaN)));
    plot.batch(() => {
      plot.setData([Array.from(this.chosen, (i) => x[i]!), ...columns], false);
      plot.setScale("x", { min: range[0], max: range[1] });
      plot.setScale("y", this.isLog ? this.scale : { min: this.linear[0], max: this.linear[1] });
    });
    this.showValues();
  }

  private get isLog(): boolean {
    return this.data.log ?? this.options.log === true;
  }

  private toAxis(value: number): number | null {
    return this.isLog ? toLog(value, this.scale) : Number.isFinite(value) ? value : null;
  }

  /** Sets the vertical scale from the values in view. */
  private rescale(): void {
    let [low, high, zero] = [Infinity, -Infinity, false];
    for (const { values } of this.data.curves) {
      for (const i of this.chosen) {
        const value = values[i] ?? Number.NaN;
        if (!Number.isFinite(value)) continue;
        if (this.isLog && value <= 0) zero = true;
        else [low, high] = [Math.min(low, value), Math.max(high, value)];
      }
    }
    const none = low > high;
    if (this.options.fromZero === true && !none) low = Math.min(low, 0);
    this.scale = logScale(none ? undefined : low, none ? undefined : high, zero);
    const margin = (high - low || Math.abs(high) || 1) * 0.05;
    this.linear = none ? [0, 1] : [low === 0 ? 0 : low - margin, high + margin];
  }

  private recreate(): void {
    this.createdFor = "";
    inNextFrame(this.draw);
  }

  private fit(): void {
    const { clientWidth: width, clientHeight: height } = this.frame;
    if (width > 0 && this.plot !== undefined) this.plot.setSize({ width, height });
    if (this.data.x.length > 0) inNextFrame(this.draw);
  }

  private create(styles: string): void {
    const { clientWidth: width, clientHeight: height } = this.frame;
    if (width === 0) return;
    this.destroy();
    this.createdFor = styles;
    const size = rem();
    const axis = { stroke: colour("soft"), font: canvasFont(0.78) };
    const lines = { stroke: colour("faint"), width: 1 };
    this.plot = new uPlot(
      {
        width,
        height,
        legend: { show: false },
        ...(this.options.labelEnds === true && { padding: [null, END_ROOM * size, null, null] as uPlot.Padding }),
        scales: { x: { time: false }, y: {} },
        cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7 }, bind: { dblclick: () => () => this.zoomOutNow() } },
        axes: [
          { ...axis, grid: lines, ticks: lines, size: 1.9 * size, gap: 4, incrs: () => (this.data.xName === undefined ? WHOLE : [...FRACTIONS, ...WHOLE]) },
          {
            ...axis,
            grid: lines,
            ticks: lines,
            size: 3.4 * size,
            gap: 4,
            ...(!this.isLog && { values: (_: uPlot, ticks: number[]) => tickTexts(ticks) }),
            ...(this.isLog && {
              splits: (plot: uPlot) => logTicks(this.scale, plot.bbox.height / devicePixelRatio / (1.6 * size)),
              values: (_: uPlot, ticks: number[]) => ticks.map((tick) => powerText(tick, this.scale)),
            }),
          },
        ],
        series: [{}, ...this.data.curves.map((curve) => this.series(curve))],
        hooks: {
          setSelect: [(plot) => this.onSelect(plot)],
          setCursor: [() => this.showValues()],
          draw: [(plot) => this.drawMarks(plot), (plot) => this.drawEnds(plot)],
        },
      },
      [[], ...this.data.curves.map(() => [])],
      this.frame,
    );
  }

  private destroy(): void {
    this.plot?.destroy();
    this.plot = undefined;
  }

  private series({ colour: token, dashed, dotted, pinned }: Curve): uPlot.Series {
    return {
      stroke: colour(token),
      width: pinned === true ? 1 : 1.8,
      alpha: pinned === true ? 0.6 : 1,
      points: { show: (plot) => plot.data[0].length < 2 },
      // uPlot takes dashes in the pixels of the screen.
      dash: (pinned === true ? [2, 3] : dashed === true ? [6, 4] : dotted === true ? [2, 2] : []).map((length) => length * devicePixelRatio),
    };
  }

  private zoomOutNow(): null {
    this.zoomTo(undefined);
    return null;
  }

  private onSelect(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 5) return;
    this.zoomTo([plot.posToVal(left, "x"), plot.posToVal(left + width, "x")]);
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }

  /** Shows the values under the cursor, else the newest ones, beside the names in the legend. */
  private showValues(): void {
    const at = this.plot?.cursor.idx;
    const index = at === null || at === undefined ? undefined : this.chosen[at];
    this.data.curves.forEach(({ values }, curve) => {
      const output = this.legend.children[curve]?.querySelector("output");
      const value = values[index ?? values.length - 1];
      if (output) setText(output, Number.isNaN(value) ? "–" : readableNumber(value));
    });
    const { x, xName } = this.data;
    const step = index === undefined ? "" : xName === undefined ? t("step {step}", { step: x[index]! }) : `${xName} ${readableNumber(x[index])}`;
    const note = this.element.querySelector("figcaption .note");
    if (note) setText(note, step || (this.options.note ?? ""));
  }

  private onKey(event: KeyboardEvent): void {
    const { plot } = this;
    if (plot === undefined) return;
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") this.zoomTo(undefined);
    if (move === undefined) return;
    event.preventDefault();
    const last = this.chosen.length - 1;
    const at = Math.min(Math.max((plot.cursor.idx ?? last) + move, 0), last);
    plot.setCursor({ left: plot.valToPos(plot.data[0][at]!, "x"), top: plot.over.clientHeight / 2 });
  }

  private drawMarks({ ctx, bbox, valToPos }: uPlot): void {
    const dots = devicePixelRatio;
    const edges = [bbox.left, bbox.left + bbox.width] as const;
    const marks = lastAtEach(this.data.marks ?? [])
      .map(({ x, label }) => ({ at: valToPos(x, "x", true), label }))
      .filter(({ at }) => at >= edges[0] && at <= edges[1]);
    if (marks.length === 0) return;
    ctx.save();
    ctx.font = pixelFont(0.75, dots);
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    const row = 1.05 * rem() * dots;
    const places = placeMarks(marks.map(({ at, label }) => ({ at, width: ctx.measureText(label).width })), edges, MARK_ROWS, 4 * dots);
    ctx.strokeStyle = ctx.fillStyle = colour("warn");
    ctx.lineWidth = dots;
    ctx.setLineDash([4 * dots, 4 * dots]);
    for (const { at } of marks) {
      ctx.beginPath();
      ctx.moveTo(at, bbox.top);
      ctx.lineTo(at, bbox.top + bbox.height);
      ctx.stroke();
    }
    // An outline keeps labels readable over lines and curves.
    ctx.setLineDash([]);
    ctx.strokeStyle = colour("paper");
    ctx.lineWidth = 3 * dots;
    ctx.lineJoin = "round";
    const write = (text: string, left: number, line: number): void => {
      ctx.strokeText(text, left, bbox.top + row * (line + 1));
      ctx.fillText(text, left, bbox.top + row * (line + 1));
    };
    marks.forEach(({ label }, i) => {
      const place = places[i];
      if (place !== undefined) write(label, place.left, place.row);
    });
    const hidden = places.filter((place) => place === undefined).length;
    const more = t("and {count} more", { count: hidden });
    if (hidden > 0) write(more, edges[1] - ctx.measureText(more).width - 4 * dots, MARK_ROWS);
    ctx.restore();
  }

  /** Writes the names of curves at their ends. */
  private drawEnds({ ctx, bbox, data, valToPos }: uPlot): void {
    if (this.options.labelEnds !== true) return;
    const dots = devicePixelRatio;
    const ends = this.data.curves.flatMap(({ label, end = label, colour: token }, curve) => {
      const column = data[curve + 1] ?? [];
      const last = column.findLastIndex((value) => value !== null && value !== undefined);
      return last < 0 ? [] : [{ label: end, token, left: valToPos(data[0][last]!, "x", true), top: valToPos(column[last]!, "y", true) }];
    });
    ctx.save();
    ctx.font = pixelFont(0.75, dots);
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    const tops = spreadLabels(ends.map(({ top }) => top), 0.95 * rem() * dots, [bbox.top, bbox.top + bbox.height]);
    ends.forEach(({ label, token, left }, i) => {
      ctx.fillStyle = colour(token);
      ctx.fillText(label, Math.min(left, bbox.left + bbox.width) + 5 * dots, tops[i]!);
    });
    ctx.restore();
  }
}

/** A font of `size` rem in the pixels of the screen. */
function pixelFont(size: number, dots: number): string {
  return `${Math.round(size * rem() * dots)}px system-ui, sans-serif`;
}

function legendItem({ label, colour: token, dashed, dotted, pinned }: Curve): HTMLElement {
  const swatch = h("i", { class: pinned === true || dotted === true ? "dots" : dashed === true ? "dash" : undefined });
  return h("li", { class: `k-${token}${label.length > LONG_LABEL ? " long" : ""}` }, swatch, label, h("output", {}));
}

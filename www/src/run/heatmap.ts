// Relative L1 of each layer at each step, as colour on a logarithmic scale: layers down, steps across.
import { h, setText } from "../dom";
import { t } from "../language/language";
import { readableNumber } from "../numbers";
import { canvasFont, colour, onTheme, rem } from "../style/theme";
import { palette, shade } from "./palette";
import type { LayerColumn, RunRecord } from "./record";
import { labelOf } from "./replicas";
import type { Component, RunSource } from "./session";
import "./run.css";

/** Exponents at the ends of the scale: about a last bit, and 2, the largest relative L1. */
const [LOW, HIGH] = [-9, 0.3];

/** The map of one replica, which the reader chooses. */
export class Heatmap implements Component {
  private readonly canvas = h("canvas", {});
  private readonly frame = h("div", { class: "plot-frame", role: "img" }, this.canvas);
  private readonly note = h("span", { class: "note" });
  private readonly choice = h("select", { "aria-label": t("Copy in the map"), onchange: () => this.redraw() });
  private readonly ramp = h("i", {});
  readonly element = h(
    "figure",
    { class: "map" },
    h("figcaption", {}, h("b", {}, t("Distance by layer")), this.choice, this.note),
    this.frame,
    h("div", { class: "ramp" }, "10⁻⁹", this.ramp, t("2, relative L1")),
  );
  private source: RunRecord | undefined;
  private drawn = "";
  private readonly resize = new ResizeObserver(() => this.redraw());
  private readonly endTheme = onTheme(() => this.redraw());

  constructor() {
    this.frame.style.setProperty("--h", "12");
    this.frame.addEventListener("pointermove", ({ offsetX, offsetY }) => this.showValueAt(offsetX, offsetY));
    this.frame.addEventListener("pointerleave", () => setText(this.note, this.caption()));
    this.resize.observe(this.frame);
  }

  update({ record }: RunSource): void {
    if (record !== this.source) {
      this.source = record;
      if (record !== undefined) this.fillChoice(record);
    }
    const state = `${record?.layers.length} ${record?.layers.at(-1)?.relL1.filter(Boolean).length}`;
    if (state === this.drawn) return;
    this.drawn = state;
    this.draw();
  }

  close(): void {
    this.resize.disconnect();
    this.endTheme();
  }

  private fillChoice(record: RunRecord): void {
    const before = this.choice.value;
    const others = record.ks.map((_, r) => r).slice(1);
    this.choice.replaceChildren(...others.map((r) => h("option", { value: r }, labelOf(record, r))));
    const preferred = others.find((r) => !record.controls.includes(r)) ?? others[0];
    const kept = others.some((r) => String(r) === before);
    this.choice.value = kept ? before : String(preferred ?? "");
    this.choice.hidden = others.length < 2;
  }

  private redraw(): void {
    this.drawn = "";
    this.draw();
  }

  private replica(): number {
    return Number(this.choice.value);
  }

  private columns(): LayerColumn[] {
    return this.source?.layers.filter(({ relL1 }) => relL1[this.replica()] !== undefined) ?? [];
  }

  private caption(): string {
    return this.source === undefined ? "" : t("input layer on top");
  }

  private draw(): void {
    const { clientWidth: width, clientHeight: height } = this.frame;
    if (width === 0) return;
    const dots = devicePixelRatio;
    const [across, down] = [Math.round(width * dots), Math.round(height * dots)];
    if (this.canvas.width !== across) this.canvas.width = across;
    if (this.canvas.height !== down) this.canvas.height = down;
    const context = this.canvas.getContext("2d")!;
    context.setTransform(dots, 0, 0, dots, 0, 0);
    context.clearRect(0, 0, width, height);
    const colours = palette();
    this.ramp.style.background = `linear-gradient(to right, ${colours.filter((_, i) => i % 7 === 0).join()})`;
    setText(this.note, this.caption());
    const columns = this.columns();
    const rows = this.source?.layerNames.length ?? 0;
    this.frame.setAttribute("aria-label", t("Relative L1 of {layers} layers at {steps} steps", { layers: rows, steps: columns.length }));
    if (columns.length === 0) return;
    const [zero, bad] = [colour("zero"), colour("bad")];
    const { left, mapHeight, x } = this.geometry(width, height, columns);
    columns.forEach(({ relL1, step }, c) => {
      const [from, to] = [x(step - 1), x(columns[c + 1] === undefined ? step : columns[c + 1]!.step - 1)];
      relL1[this.replica()]!.forEach((value, row) => {
        context.fillStyle = !Number.isFinite(value) ? bad : value === 0 ? zero : shade(colours, position(value));
        const [top, bottom] = [(row * mapHeight) / rows, ((row + 1) * mapHeight) / rows];
        context.fillRect(from, top, Math.max(to - from, 0.7) + 0.3, bottom - top + 0.3);
      });
    });
    context.fillStyle = colour("soft");
    context.font = canvasFont(0.78);
    context.textBaseline = "bottom";
    context.textAlign = "left";
    context.fillText(t("step {step}", { step: 1 }), left, height);
    const last = String(columns.at(-1)!.step);
    context.textAlign = "right";
    context.fillText(last, width - 2, height);
  }

  /** Left edge and height of the map, and the x at which a step ends. */
  private geometry(width: number, height: number, columns: LayerColumn[]) {
    const last = columns.at(-1)!.step;
    return { left: 0, mapHeight: height - 1.25 * rem(), x: (step: number) => (step / last) * width };
  }

  /** Shows the value under the pointer in the caption. */
  private showValueAt(atX: number, atY: number): void {
    const columns = this.columns();
    const names = this.source?.layerNames ?? [];
    const { clientWidth: width, clientHeight: height } = this.frame;
    if (columns.length === 0 || width === 0) return;
    const { mapHeight, x } = this.geometry(width, height, columns);
    const row = Math.floor((atY / mapHeight) * names.length);
    const column = columns.findLast(({ step }) => x(step - 1) <= atX) ?? columns[0]!;
    const value = column.relL1[this.replica()]?.[row];
    if (value === undefined) return;
    const layer = names[row]!.replace(/\.weight$/, "");
    setText(this.note, t("{layer}, step {step}: {value}", { layer, step: column.step, value: readableNumber(value) }));
  }
}

/** Position of a value on the scale, from 0 to 1 between its ends. */
function position(value: number): number {
  return (Math.log10(value) - LOW) / (HIGH - LOW);
}

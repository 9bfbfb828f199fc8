// One weight's 32 bits against the step: bits that differ between two copies are lit, and climb from the last bit to the first.
import { h, setText } from "../dom";
import { t } from "../language/language";
import { formatOrdinal } from "../numbers";
import { canvasFont, colour, onTheme, rem } from "../style/theme";
import { floatOf } from "./floats";
import type { LayerColumn, RunRecord } from "./record";
import { labelOf } from "./replicas";
import type { Component, RunSource } from "./session";
import { heroOf } from "./story";

const BITS = 32;
/** The bits at which exponent and fraction end, from the top. */
const PARTS: readonly [name: string, rows: number][] = [[t("sign"), 1], [t("exponent"), 8], [t("fraction"), 23]];

/** A step at which the bits of both copies are known. */
export interface Climbed {
  step: number;
  reference: number;
  other: number;
}

/**
 * The bits of the traced weight in the first replica and in `replica`, by step. A step at which one of them is not finite is left out:
 * infinity and NaN are marks in the exponent, and how many bits differ from them says nothing.
 */
export function climbedOf(layers: readonly LayerColumn[], replica: number): Climbed[] {
  return layers.flatMap(({ step, weights }) => {
    const [reference, other] = [weights[0], weights[replica]];
    if (reference === undefined || other === undefined) return [];
    return [reference, other].every((bits) => Number.isFinite(floatOf(bits))) ? [{ step, reference, other }] : [];
  });
}

/** How many bits, counted from the last, lie at or below the highest one that differs; 0 if none does. */
export function height({ reference, other }: Climbed): number {
  return BITS - Math.clz32(reference ^ other);
}

/** Indices of columns that get a tick: the first, and then every column whose step is the first at or beyond 1, 2 or 5 times a power of ten. */
export function tickColumns(steps: readonly number[], room: number): number[] {
  const wanted = [1, 2, 5, 10, 20, 50].flatMap((n) => [n, n * 100, n * 10_000]).sort((a, b) => a - b);
  const ticks: number[] = [];
  for (const at of wanted) {
    const column = steps.findIndex((step) => step >= at);
    if (column >= 0 && steps[column] === at && (ticks.length === 0 || column - ticks.at(-1)! >= room)) ticks.push(column);
  }
  return ticks;
}

/** The figure. */
export class Climb implements Component {
  private readonly canvas = h("canvas", {});
  private readonly frame = h("div", { class: "plot-frame", role: "img" }, this.canvas);
  private readonly note = h("span", { class: "note" });
  readonly element = h(
    "figure",
    { class: "climb", "data-testid": "climb" },
    h("figcaption", {}, h("b", {}, t("One weight, bit by bit")), this.note),
    this.frame,
  );
  private record: RunRecord | undefined;
  private drawn = "";
  private readonly resize = new ResizeObserver(() => this.draw());
  private readonly endTheme = onTheme(() => this.draw());

  constructor() {
    this.frame.style.setProperty("--h", "16");
    this.frame.addEventListener("pointermove", ({ offsetX }) => this.showValueAt(offsetX));
    this.frame.addEventListener("pointerleave", () => setText(this.note, this.caption()));
    this.resize.observe(this.frame);
  }

  update({ record }: RunSource): void {
    const last = record?.layers.at(-1);
    const state = `${record?.isPending} ${record?.layers.length} ${last?.weights.filter((bits) => bits !== undefined).length}`;
    if (record === this.record && state === this.drawn) return;
    this.record = record;
    this.drawn = state;
    this.draw();
  }

  close(): void {
    this.resize.disconnect();
    this.endTheme();
  }

  private columns(): Climbed[] {
    const hero = this.record === undefined ? undefined : heroOf(this.record);
    return this.record === undefined || hero === undefined ? [] : climbedOf(this.record.layers, hero);
  }

  private names(): [string, string] | undefined {
    const hero = this.record === undefined ? undefined : heroOf(this.record);
    return this.record === undefined || hero === undefined ? undefined : [labelOf(this.record, 0), labelOf(this.record, hero)];
  }

  private caption(): string {
    const names = this.names();
    return names === undefined ? "" : t("of {copy}; dark 1, pale 0; orange: not as in {first}", { copy: names[1], first: names[0] });
  }

  private geometry(columns: number) {
    const { clientWidth: width, clientHeight: height } = this.frame;
    const left = 4.6 * rem();
    const cell = Math.min((width - left - rem()) / Math.max(columns, 24), 2.2 * rem());
    return { width, height, left, cell, row: (height - 1.4 * rem()) / (BITS + 2.5) };
  }

  private draw(): void {
    const columns = this.columns();
    const { width, height: tall, left, cell, row } = this.geometry(columns.length);
    if (width === 0) return;
    const dots = devicePixelRatio;
    this.canvas.width = Math.round(width * dots);
    this.canvas.height = Math.round(tall * dots);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${tall}px`;
    const context = this.canvas.getContext("2d")!;
    context.setTransform(dots, 0, 0, dots, 0, 0);
    setText(this.note, this.caption());
    const last = columns.at(-1);
    const names = this.names();
    this.frame.setAttribute(
      "aria-label",
      last === undefined || names === undefined
        ? t("Bits of one weight against the step, no step yet")
        : height(last) === 0
          ? t("Bits of one weight at {steps} steps. At step {step}, no bit differs.", { steps: columns.length, step: last.step })
          : t("Bits of one weight at {steps} steps. At step {step}, bits differ up to the {place} from the end.", {
              steps: columns.length,
              step: last.step,
              place: formatOrdinal(height(last)),
            }),
    );
    context.font = canvasFont(0.75);
    context.textBaseline = "middle";
    // Parts are a row apart.
    const top = (bit: number) => (0.5 + bit + (bit > 0 ? 1 : 0) * 0.7 + (bit > 8 ? 1 : 0) * 0.7) * row;
    let from = 0;
    context.fillStyle = colour("soft");
    context.textAlign = "right";
    for (const [name, rows] of PARTS) {
      context.fillText(name, left - 6, (top(from) + top(from + rows - 1) + row) / 2);
      from += rows;
    }
    context.fillText(t("last bit"), left - 6, top(BITS - 1) + row / 2);
    const [one, zero, lit, litZero] = [colour("line"), colour("faint"), colour("lit"), colour("lit-zero")];
    columns.forEach(({ reference, other }, c) => {
      for (let bit = 0; bit < BITS; bit++) {
        const place = BITS - 1 - bit;
        const isOne = ((other >>> place) & 1) === 1;
        const differs = (((reference ^ other) >>> place) & 1) === 1;
        context.fillStyle = differs ? (isOne ? lit : litZero) : isOne ? one : zero;
        context.fillRect(left + c * cell, top(bit), Math.max(cell - 1, 1), Math.max(row - 1, 1));
      }
    });
    context.fillStyle = colour("soft");
    context.textAlign = "center";
    context.textBaseline = "bottom";
    for (const c of tickColumns(columns.map(({ step }) => step), Math.ceil((2.4 * rem()) / cell))) {
      context.fillText(String(columns[c]!.step), left + (c + 0.5) * cell, tall);
    }
  }

  /** Shows the values of the step under the pointer in the caption. */
  private showValueAt(x: number): void {
    const columns = this.columns();
    const { left, cell } = this.geometry(columns.length);
    const under = columns[Math.floor((x - left) / cell)];
    const names = this.names();
    if (under === undefined || names === undefined) return setText(this.note, this.caption());
    const values = [under.reference, under.other].map((bits) => floatOf(bits).toPrecision(9));
    setText(this.note, t("step {step}: {values}", { step: under.step, values: `${names[0]} ${values[0]}, ${names[1]} ${values[1]}` }));
  }
}

// The 32 bits of a few weights in every replica. Bits that differ from the first replica's are lit, so that the reader sees
// differences climb from the last bit.
import { h } from "../dom";
import { t } from "../language/language";
import { readableNumber, withPower } from "../numbers";
import type { Opened, Tensor, WatchedRange } from "../messages";
import { floatOf, ulps } from "./floats";
import { colourOf, labelOf, lengthOf } from "./replicas";
import type { RunRecord } from "./record";
import type { Component, RunSource } from "./session";
import "./run.css";

/** Number of neighbouring weights that are shown. */
const SHOWN = 3;

/** A table of bits, with a choice of tensor and element. */
export class Bits implements Component {
  private readonly tensor = h("select", { onchange: () => this.choose() });
  private readonly index = h("input", { type: "number", min: 0, value: 0, onchange: () => this.choose() });
  private readonly tables = h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": t("Bits of the chosen weights") });
  readonly element = h(
    "figure",
    { class: "bits-figure" },
    h("figcaption", {}, h("b", {}, t("The bits")), h("span", { class: "note" }, t("sign, exponent, fraction; lit: differs from the first copy"))),
    h(
      "div",
      { class: "toolbar" },
      h("label", { class: "field" }, h("span", {}, t("Tensor")), this.tensor),
      h("label", { class: "field" }, h("span", {}, t("First element")), this.index),
    ),
    this.tables,
  );
  private tensors: readonly Tensor[] = [];
  private wanted: WatchedRange | undefined;
  private shown: unknown;

  /** `onChoice` is called when the user chooses other weights. */
  constructor(private readonly onChoice: () => void) {}

  ranges({ tensors }: Opened): WatchedRange[] {
    this.fillTensors(tensors);
    const chosen = tensors.find(({ name }) => name === this.tensor.value);
    if (chosen === undefined) return [];
    const elements = elementsOf(chosen);
    const count = Math.min(SHOWN, elements);
    const first = Math.min(Math.max(Math.trunc(Number(this.index.value) || 0), 0), elements - count);
    this.index.max = String(elements - count);
    this.index.value = String(first);
    this.wanted = { tensor: chosen.name, first, count };
    return [this.wanted];
  }

  update({ record }: RunSource): void {
    if (record === undefined || record.tensors === this.shown) return;
    this.shown = record.tensors;
    const { wanted } = this;
    const isWanted = ({ tensor, first, count }: WatchedRange) =>
      tensor === wanted?.tensor && first === wanted.first && count === wanted.count;
    const range = record.tensors?.ranges.find(isWanted);
    if (range === undefined) return;
    const tables = Array.from({ length: range.count }, (_, i) => this.table(record, range, i));
    this.tables.replaceChildren(...tables);
  }

  private fillTensors(tensors: readonly Tensor[]): void {
    if (this.tensors === tensors) return;
    this.tensors = tensors;
    const before = this.tensor.value;
    this.tensor.replaceChildren(...tensors.map(({ name }) => h("option", { value: name }, name)));
    if (tensors.some(({ name }) => name === before)) this.tensor.value = before;
  }

  private choose(): void {
    this.shown = undefined;
    this.onChoice();
  }

  private table(record: RunRecord, { first, count, bits }: WatchedRange & { bits: Uint32Array }, i: number): HTMLElement {
    const reference = bits[i]!;
    const rows = record.ks.map((_, r) => {
      const word = bits[r * count + i]!;
      const apart = ulps(word, reference);
      return h(
        "tr",
        { class: `k-${colourOf(record, r)}` },
        h("th", { scope: "row", class: lengthOf(labelOf(record, r)) }, labelOf(record, r)),
        h("td", { class: "bits" }, ...spans(word, word ^ reference)),
        h("td", { class: "value" }, withPower(floatOf(word).toPrecision(8))),
        h("td", { class: "note" }, r === 0 ? "" : apart === 0 ? t("equal") : `${readableNumber(apart)} ulp`),
      );
    });
    return h("table", { class: "bit-table" }, h("caption", { class: "note" }, t("element {index}", { index: first + i })), h("tbody", {}, ...rows));
  }
}

/** Sign, exponent and fraction of `word`; bits that are set in `differing` are bold. */
function spans(word: number, differing: number): HTMLElement[] {
  const bit = (at: number) => h((differing >>> at) & 1 ? "b" : "i", {}, (word >>> at) & 1);
  const part = (name: string, high: number, low: number) =>
    h("span", { class: name }, ...Array.from({ length: high - low + 1 }, (_, i) => bit(high - i)));
  return [part("s", 31, 31), part("e", 30, 23), part("m", 22, 0)];
}

function elementsOf({ shape }: Tensor): number {
  return shape.reduce((product, side) => product * side, 1);
}

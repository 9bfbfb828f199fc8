// The filters of the first layer in two replicas, and their difference, magnified until it is visible.
import { h, setText } from "../dom";
import { t } from "../language/language";
import { readableNumber } from "../numbers";
import type { Opened, Tensor, WatchedRange } from "../messages";
import { colour, onTheme } from "../style/theme";
import { floatsOf } from "./floats";
import { labelOf } from "./replicas";
import type { RunRecord } from "./record";
import type { Component, RunSource } from "./session";
import "./run.css";

/** The largest number of filters that are shown. */
const MOST = 64;

/** Three pictures side by side. */
export class Filters implements Component {
  private readonly pictures = [0, 1, 2].map(() => h("canvas", { role: "img", "aria-label": t("Filters, not loaded yet") }));
  private readonly names = [0, 1, 2].map(() => h("figcaption", { class: "note" }));
  readonly element = h(
    "figure",
    { class: "map" },
    h("figcaption", {}, h("b", {}, t("First-layer filters"))),
    h(
      "div",
      { class: "filter-row" },
      ...this.pictures.map((picture, i) => h("figure", {}, h("div", { class: "filter-frame" }, picture), this.names[i]!)),
    ),
  );
  private shown: unknown;
  private source: RunSource | undefined;
  private readonly endTheme = onTheme(() => {
    this.shown = undefined;
    if (this.source !== undefined) this.update(this.source);
  });

  ranges({ tensors }: Opened): WatchedRange[] {
    const first = firstLayer(tensors);
    return first === undefined ? [] : [{ tensor: first.name, first: 0, count: shape(first).count }];
  }

  update(source: RunSource): void {
    this.source = source;
    const { record, opened } = source;
    const first = opened && firstLayer(opened.tensors);
    if (record === undefined || first === undefined || record.tensors === this.shown) return;
    const { count } = shape(first);
    const range = record.tensors?.ranges.find((r) => r.tensor === first.name && r.first === 0 && r.count === count);
    if (range === undefined) return;
    this.shown = record.tensors;
    const other = otherReplica(record);
    const a = floatsOf(range.bits, 0, count);
    const b = floatsOf(range.bits, other, count);
    const difference = a.map((value, i) => b[i]! - value);
    const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const most = Math.max(largest(a), largest(b));
    const apart = largest(difference);
    [a, b, difference].forEach((values, i) => draw(this.pictures[i]!, first, values, i === 2 ? apart : most));
    const between = apart === 0 ? t("difference: no bit differs") : t("difference: {magnified}", { magnified: `×\u00a0${readableNumber(most / apart)}` });
    [labelOf(record, 0), labelOf(record, other), between].forEach((text, i) => {
      setText(this.names[i]!, text);
      this.pictures[i]!.setAttribute("aria-label", t("Filters of {layer}: {what}", { layer: first.name, what: text }));
    });
  }

  close(): void {
    this.endTheme();
  }
}

/** The replica to compare with the first: if possible, one that is not a control. */
function otherReplica({ ks, controls }: RunRecord): number {
  const others = ks.map((_, r) => r).filter((r) => r > 0);
  return others.find((r) => !controls.includes(r)) ?? others[0] ?? 0;
}

function firstLayer(tensors: readonly Tensor[]): Tensor | undefined {
  // Filters are images; the weights of a dense layer are not.
  return tensors.find(({ measured, shape }) => measured && shape.length !== 2);
}

/** Filters, channels, height and width that are shown, and their number of elements. */
function shape({ shape: [k = 1, c = 1, height = 1, width = 1] }: Tensor) {
  const filters = Math.min(k, MOST);
  return { filters, c, height, width, count: filters * c * height * width };
}

/** Draws filters in rows; zero is grey, `most` is full colour. The filters have one or three channels. */
function draw(canvas: HTMLCanvasElement, tensor: Tensor, values: Float32Array, most: number): void {
  const { filters, c, height, width } = shape(tensor);
  const across = Math.ceil(Math.sqrt(filters));
  const down = Math.ceil(filters / across);
  canvas.width = across * (width + 1) - 1;
  canvas.height = down * (height + 1) - 1;
  const context = canvas.getContext("2d")!;
  context.fillStyle = colour("paper");
  context.fillRect(0, 0, canvas.width, canvas.height);
  const byte = (value: number) => (most === 0 ? 128 : 128 + (127 * value) / most);
  for (let filter = 0; filter < filters; filter++) {
    const image = context.createImageData(width, height);
    for (let pixel = 0; pixel < width * height; pixel++) {
      const at = (channel: number) => byte(values[(filter * c + Math.min(channel, c - 1)) * width * height + pixel]!);
      image.data.set([at(0), at(1), at(2), 255], pixel * 4);
    }
    context.putImageData(image, (filter % across) * (width + 1), Math.floor(filter / across) * (height + 1));
  }
}

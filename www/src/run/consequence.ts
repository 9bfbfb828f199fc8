// What the distance means: test images in which two copies see different things, and how many of each copy's answers are right.
import { h, setText } from "../dom";
import { t } from "../language/language";
import type { Standing, TestImages } from "../messages";
import type { RunRecord } from "./record";
import { colourOf, keepTogether, labelOf } from "./replicas";
import type { Component, RunSource } from "./session";
import { heroOf } from "./story";

/** Number of images that are shown. */
const SHOWN = 6;

/** Indices of the images on which the first copy and `replica` disagree. */
export function disagreements({ predictions }: Standing, replica: number): number[] {
  const [first, other] = [predictions[0] ?? [], predictions[replica] ?? []];
  return first.map((_, i) => i).filter((i) => first[i] !== other[i]);
}

/** Percent of right answers of each copy. */
export function rightAnswers({ predictions }: Standing, labels: readonly number[]): number[] {
  return predictions.map((of) => (100 * of.filter((label, i) => label === labels[i]).length) / Math.max(of.length, 1));
}

/** Image `index` as RGBA bytes, `[H][W][4]`. */
export function rgbaOf({ shape: [channels, height, width], pixels }: TestImages, index: number): Uint8ClampedArray<ArrayBuffer> {
  const plane = height * width;
  const rgba = new Uint8ClampedArray(4 * plane).fill(255);
  for (let c = 0; c < 3; c++) {
    const from = index * channels * plane + Math.min(c, channels - 1) * plane;
    for (let i = 0; i < plane; i++) rgba[4 * i + c] = pixels[from + i]!;
  }
  return rgba;
}

/** The figure. */
export class Consequence implements Component {
  readonly observes = true;
  private readonly count = h("p", { class: "verdict-line", "data-testid": "disagreement" });
  private readonly right = h("p", { class: "note", "data-testid": "right-answers" });
  private readonly gallery = h("ul", { class: "gallery", "aria-label": t("Test images on which the copies disagree") });
  readonly element = h(
    "figure",
    { class: "consequence" },
    h("figcaption", {}, h("b", {}, t("What the copies see")), h("span", { class: "note" }, t("in images that they were not trained on"))),
    this.count,
    this.gallery,
    this.right,
  );
  private shown: Standing | undefined;
  private of: RunRecord | undefined;

  update({ record }: RunSource): void {
    const standing = record?.standings.at(-1);
    if (record === this.of && standing === this.shown) return;
    this.of = record;
    this.shown = standing;
    const { images } = record ?? {};
    const hero = record === undefined ? undefined : heroOf(record);
    // One image (a one-layer network's) says nothing.
    this.element.hidden = images !== undefined && images.labels.length < 2;
    if (record === undefined || standing === undefined || images === undefined || hero === undefined) {
      setText(this.count, "");
      setText(this.right, "");
      this.gallery.replaceChildren();
      return;
    }
    const [first, copy] = [labelOf(record, 0), labelOf(record, hero)];
    const apart = disagreements(standing, hero);
    const all = images.labels.length;
    setText(
      this.count,
      apart.length === 0
        ? t("{first} and {copy} agree on all {images} test images.", { first, copy, images: all })
        : t("{first} and {copy} disagree on {count} of {images} test images.", { first, copy, count: apart.length, images: all }),
    );
    const right = rightAnswers(standing, images.labels);
    const answers = record.ks.map((_, r) => `${labelOf(record, r)}: ${Math.round(right[r]!)} %`).join(", ");
    setText(this.right, keepTogether(t("Right of these {count} at step {step}: {answers}.", { count: all, step: standing.step, answers })));
    this.gallery.replaceChildren(...apart.slice(0, SHOWN).map((i) => item(record, images, standing, i, hero)));
  }
}

function item(record: RunRecord, images: TestImages, { predictions }: Standing, index: number, hero: number): HTMLElement {
  const [, height, width] = images.shape;
  const name = (label: number) => images.classes[label] ?? String(label);
  const canvas = h("canvas", { width, height, role: "img", "aria-label": t("Test image {number}: {name}", { number: index + 1, name: name(images.labels[index]!) }) });
  canvas.getContext("2d")!.putImageData(new ImageData(rgbaOf(images, index), width, height), 0, 0);
  const line = (r: number) => h("span", { class: `k-${colourOf(record, r)}` }, h("b", {}, keepTogether(labelOf(record, r))), `: ${name(predictions[r]![index]!)}`);
  return h("li", {}, canvas, line(0), line(hero), h("span", { class: "soft" }, t("it is: {name}", { name: name(images.labels[index]!) })));
}

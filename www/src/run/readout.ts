// A table of the newest numbers of every replica.
import { h, setText } from "../dom";
import { t } from "../language/language";
import { showNumber } from "../numbers";
import { rightAnswers } from "./consequence";
import { colourOf, idOf, labelOf, lengthOf, roleOf } from "./replicas";
import type { RunRecord, StepColumn } from "./record";
import type { Component, RunSource } from "./session";
import "./run.css";

/** The newest value of a replica. */
type Value = (record: RunRecord, replica: number) => number | undefined;

const newest = (column: StepColumn): Value => (record, replica) => record.last(column, replica);

const COLUMNS: readonly [value: Value, title: string, id: string][] = [
  [newest("loss"), t("loss"), "loss"],
  [accuracy, t("on this batch, %"), "accuracy"],
  [testAccuracy, t("on test images, %"), "test-accuracy"],
  [newest("relL1"), t("relative L1"), "rel-l1"],
  [newest("differing"), t("weights that differ"), "differing"],
  [newest("maxUlp"), t("farthest, ulp"), "max-ulp"],
];

const TEST_COLUMN = COLUMNS.findIndex(([value]) => value === testAccuracy);

/** The accuracy on the last batch, which recorded runs lack. */
function accuracy(record: RunRecord, replica: number): number | undefined {
  const value = record.last("accuracy", replica);
  return Number.isNaN(value) ? undefined : value;
}

/** The accuracy on all test images, at the end of the last epoch; before that, on those that the page shows. {@link testTitle} says which. */
export function testAccuracy({ epochs, standings, images }: RunRecord, replica: number): number | undefined {
  const tested = epochs.at(-1)?.testAccuracy[replica];
  if (tested !== undefined) return tested ?? Number.NaN;
  const standing = standings.at(-1);
  return standing === undefined || images === undefined ? undefined : rightAnswers(standing, images.labels)[replica];
}

/** The title of the column of {@link testAccuracy}. */
export function testTitle(record: RunRecord | undefined): string {
  if (record === undefined || testAccuracy(record, 0) === undefined) return t("on test images, %");
  const { epochs, images } = record;
  return epochs.length > 0 ? t("on all test images, %") : t("on {count} test images, %", { count: images!.labels.length });
}

/** A table with a row for each replica. */
export class Readout implements Component {
  private readonly body = h("tbody", {});
  private readonly titles = COLUMNS.map(([, title]) => h("th", { scope: "col" }, title));
  private readonly head = h("th", { scope: "col" }, t("fingerprint"));
  readonly element = h(
    "div",
    // Long names make it scroll, for the keyboard as well.
    { class: "scroll", tabindex: 0, role: "group", "aria-label": t("Numbers of the copies") },
    h(
      "table",
      { class: "numbers" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("copy")), ...this.titles, this.head)),
      this.body,
    ),
  );
  private shown: RunRecord | undefined;
  private cells: HTMLElement[][] = [];
  private fingerprints: HTMLElement[] = [];

  update({ record }: RunSource): void {
    if (record !== this.shown) this.rebuild(record);
    record?.ks.forEach((_, r) =>
      COLUMNS.forEach(([value], c) => showNumber(this.cells[r]![c]!, value(record, r))),
    );
    setText(this.titles[TEST_COLUMN]!, testTitle(record));
    const layers = record?.layers.at(-1);
    setText(this.head, layers === undefined ? t("fingerprint") : t("fingerprint, step {step}", { step: layers.step }));
    this.fingerprints.forEach((cell, r) => setText(cell, layers?.fingerprints[r] ?? "–"));
  }

  private rebuild(record: RunRecord | undefined): void {
    this.shown = record;
    if (record === undefined) return;
    this.cells = record.ks.map((_, r) => COLUMNS.map(([, , id]) => h("td", { "data-testid": `${id}-${idOf(record, r)}` })));
    this.fingerprints = record.ks.map((_, r) => h("td", { class: "mono", "data-testid": `fingerprint-${idOf(record, r)}` }));
    const rows = record.ks.map((_, r) =>
      h(
        "tr",
        { class: `k-${colourOf(record, r)}` },
        h("th", { scope: "row", class: lengthOf(labelOf(record, r)) }, labelOf(record, r), " ", h("small", { class: "soft" }, roleOf(record, r))),
        ...this.cells[r]!,
        this.fingerprints[r]!,
      ),
    );
    this.body.replaceChildren(...rows);
  }
}

// A table of the newest numbers of every replica.
import { h, setText } from "../dom";
import { showNumber } from "../numbers";
import { colourOf, idOf, labelOf, roleOf } from "./replicas";
import type { RunRecord, StepColumn } from "./record";
import type { Component, RunSource } from "./session";
import "./run.css";

const COLUMNS: readonly [column: StepColumn, title: string, id: string][] = [
  ["loss", "loss", "loss"],
  ["accuracy", "accuracy, %", "accuracy"],
  ["relL1", "relative L1", "rel-l1"],
  ["differing", "weights that differ", "differing"],
  ["maxUlp", "farthest, ulp", "max-ulp"],
];

/** A table with a row for each replica. */
export class Readout implements Component {
  private readonly body = h("tbody", {});
  private readonly head = h("th", { scope: "col" }, "fingerprint");
  readonly element = h(
    "div",
    { class: "scroll" },
    h(
      "table",
      { class: "numbers" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "copy"), ...COLUMNS.map(([, title]) => h("th", { scope: "col" }, title)), this.head)),
      this.body,
    ),
  );
  private shown: RunRecord | undefined;
  private cells: HTMLElement[][] = [];
  private fingerprints: HTMLElement[] = [];

  update({ record }: RunSource): void {
    if (record !== this.shown) this.rebuild(record);
    record?.ks.forEach((_, r) =>
      COLUMNS.forEach(([column], c) => showNumber(this.cells[r]![c]!, shownValue(column, record.last(column, r)))),
    );
    const layers = record?.layers.at(-1);
    setText(this.head, layers === undefined ? "fingerprint" : `fingerprint, step ${layers.step}`);
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
        h("th", { scope: "row" }, labelOf(record, r), " ", h("small", { class: "soft" }, roleOf(record, r))),
        ...this.cells[r]!,
        this.fingerprints[r]!,
      ),
    );
    this.body.replaceChildren(...rows);
  }
}

/** A value as it is shown: recorded runs have no accuracy. */
function shownValue(column: StepColumn, value: number | undefined): number | undefined {
  return column === "accuracy" && Number.isNaN(value) ? undefined : value;
}

// The control lamp is green while every control equals the first replica bit for bit. The GPU compares all parameters after
// every step.
import { h, setText } from "../dom";
import type { RunRecord } from "./record";
import { labelOf } from "./replicas";
import type { Component, RunSource } from "./session";

/** The lamp's colour. */
export type LampState = "green" | "red" | "none";

/** The colour that a record gives. */
export function lampState(record: RunRecord | undefined): LampState {
  if (record === undefined || record.controls.length === 0 || record.step.length === 0) return "none";
  return record.firstRed === undefined ? "green" : "red";
}

/** The lamp, with a line on what its colour means. */
export class Lamp implements Component {
  private readonly word = h("span", {});
  private readonly meaning = h("span", {});
  readonly element = h(
    "p",
    { class: "lamp none", "data-testid": "lamp", "data-state": "none", role: "status" },
    h("b", {}, h("i", { "aria-hidden": "true" }), this.word),
    this.meaning,
  );

  update({ record }: RunSource): void {
    const state = lampState(record);
    this.element.className = `lamp ${state}`;
    this.element.dataset["state"] = state;
    const [word, meaning] = lampText(state, record);
    setText(this.word, word);
    setText(this.meaning, meaning);
  }
}

/** The word beside the lamp, and what it means. */
export function lampText(state: LampState, record: RunRecord | undefined): [string, string] {
  if (record === undefined || record.isPending) return ["Control", ""];
  const names = record.controls.map((r) => labelOf(record, r)).join(", ");
  const first = labelOf(record, 0);
  if (state === "green") return ["Control green", `${names} equals ${first} in every bit, as it must.`];
  if (state === "red") {
    // There is no count here: a screen reader would read out each of its changes.
    return ["Control red", `${names} must equal ${first} bit for bit, but bits differ from step ${record.firstRed} on.`];
  }
  return record.controls.length === 0
    ? ["No control", `Add a second ${first}, or k = ${record.ks[0]! * 2}, to have one.`]
    : ["Control", `${names} must equal ${first} bit for bit.`];
}

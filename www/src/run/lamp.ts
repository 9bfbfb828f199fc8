// The control lamp is green while every control equals the first replica bit for bit. The core compares all parameters after
// every step.
import { h, setText } from "../dom";
import type { RunRecord } from "./record";
import { labelOf } from "./replicas";
import type { Component, RunSource } from "./session";

/** The largest k of a run. */
const MOST_K = 63;

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

  update({ record, values }: RunSource): void {
    const state = lampState(record);
    this.element.className = `lamp ${state}`;
    this.element.dataset["state"] = state;
    const [word, meaning] = lampText(state, record, values?.["perturbation"]);
    setText(this.word, word);
    setText(this.meaning, meaning);
  }
}

/** The word beside the lamp, and what it means. `perturbation` is the property of the run. */
export function lampText(state: LampState, record: RunRecord | undefined, perturbation = "divide"): [string, string] {
  if (record === undefined || record.isPending) return ["Control", ""];
  const names = record.controls.map((r) => labelOf(record, r)).join(", ");
  const first = labelOf(record, 0);
  if (state === "green") return ["Control green", `${names} equals ${first} in every bit, as it must.`];
  if (state === "red") {
    // There is no count here: a screen reader would read out each of its changes.
    return ["Control red", `${names} must equal ${first} bit for bit, but bits differ from step ${record.firstRed} on.`];
  }
  return record.controls.length === 0 ? ["No control", controlAdvice(record.ks, perturbation)] : ["Control", `${names} must equal ${first} bit for bit.`];
}

/** Why none of these copies is a control, and how to have one (`TrainConfig::controls` of core). */
function controlAdvice(ks: readonly number[], perturbation: string): string {
  const first = ks[0]!;
  if (perturbation === "nextafter") {
    const like = ks.find((k) => k !== first && Number.isInteger(Math.log2(k / first)));
    return like === undefined
      ? `Every k above 1 moves another weight by one ulp. Add a second k = ${first} to have a control.`
      : `k = ${like} is no control here, because every k above 1 moves another weight by one ulp. Add a second k = ${first} to have one.`;
  }
  return first * 2 <= MOST_K ? `Add a second k = ${first}, or k = ${first * 2}, to have one.` : `Add a second k = ${first} to have one.`;
}

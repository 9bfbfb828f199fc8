// The control lamp is green while every control equals the first replica bit for bit. The core compares all parameters after
// every step.
import { h, setText } from "../dom";
import { t } from "../language/language";
import type { RunRecord } from "./record";
import { labelOf } from "./replicas";
import type { Component, RunSource } from "./session";

/** The largest k of a run. */
const MOST_K = 63;

/** Most controls that are named. */
const NAMED = 6;

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
  if (record === undefined || record.isPending) return [t("Control"), ""];
  const labels = record.controls.slice(0, NAMED).map((r) => labelOf(record, r));
  const more = record.controls.length - labels.length;
  const controls = [...labels, ...(more > 0 ? [t("and {count} more", { count: more })] : [])].join(", ");
  const first = labelOf(record, 0);
  if (state === "green") return [t("Control green"), t("{controls} equals {first} in every bit, as it must.", { controls, first })];
  if (state === "red") {
    // There is no count here: a screen reader would read out each of its changes.
    return [t("Control red"), t("{controls} must equal {first} bit for bit, but bits differ from step {step} on.", { controls, first, step: record.firstRed ?? 0 })];
  }
  if (record.controls.length === 0) return [t("No control"), controlAdvice(record, perturbation)];
  return [t("Control"), t("{controls} must equal {first} bit for bit.", { controls, first })];
}

/** Why none of these copies is a control, and how to have one (`TrainConfig::controls` of core). */
function controlAdvice({ ks, treatments }: RunRecord, perturbation: string): string {
  const first = ks[0]!;
  if (treatments.some(({ kind }) => kind === "displaced")) return t("Every copy but the first is displaced.");
  if (treatments.length > 0) return t("Add a copy with the k and the perturbation of the first to have one.");
  if (perturbation === "nextafter") {
    const like = ks.find((k) => k !== first && Number.isInteger(Math.log2(k / first)));
    return like === undefined
      ? t("Every k above 1 moves another weight by one ulp. Add a second k = {first} to have a control.", { first })
      : t("k = {like} is no control here, because every k above 1 moves another weight by one ulp. Add a second k = {first} to have one.", { like, first });
  }
  return first * 2 <= MOST_K
    ? t("Add a second k = {first}, or k = {twice}, to have one.", { first, twice: first * 2 })
    : t("Add a second k = {first} to have one.", { first });
}

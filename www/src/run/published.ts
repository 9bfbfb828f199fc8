// Compares a run that nobody has changed with its published fingerprints. Only few runs have them: the lab's and the lesson's own.
import { h, setText } from "../dom";
import { t } from "../language/language";
import type { Published } from "../messages";
import type { LampState } from "./lamp";
import type { RunRecord } from "./record";
import { labelOf } from "./replicas";
import type { Component, RunSource } from "./session";

/** What a record shows beside the published fingerprints. */
export interface PublishedState {
  lamp: LampState;
  word: string;
  meaning: string;
}

/** Compares `record` with what is published for it; `undefined` for a run that is not published, or that was changed. */
export function publishedState(record: RunRecord, published: Published | null | undefined): PublishedState | undefined {
  if (!published || record.lrChanges.length > 0 || record.flips.length > 0) return undefined;
  let equal: number | undefined;
  for (const { step, fingerprints } of published.steps) {
    const found = record.layers.find((layers) => layers.step >= step);
    if (found?.step !== step || found.fingerprints.includes(undefined)) continue;
    const replica = fingerprints.findIndex((fingerprint, r) => fingerprint !== found.fingerprints[r]);
    if (replica >= 0) {
      const meaning = t("The fingerprint is {found} at step {step}, {copy}; class {class} has {published}.", {
        found: found.fingerprints[replica]!,
        step,
        copy: labelOf(record, replica),
        class: published.class,
        published: fingerprints[replica]!,
      });
      // The documented exception (docs/RULES.md). SwiftShader, which flushes them, has the published fingerprints nevertheless.
      const why = published.subnormals === "flushed" ? [t("This device flushes numbers below 2⁻¹²⁶ to zero, which may be why.")] : [];
      return { lamp: "red", word: t("Not published"), meaning: [meaning, ...why].join(" ") };
    }
    equal = step;
  }
  if (equal !== undefined) {
    const meaning = t("The fingerprints at step {step} are the published ones of class {class}.", { step: equal, class: published.class });
    return { lamp: "green", word: t("Published"), meaning };
  }
  const steps = published.steps.map(({ step }) => step);
  const meaning = t("Fingerprints of this run are published for steps {steps} and {last}.", { steps: steps.slice(0, -1).join(", "), last: steps.at(-1) ?? "" });
  return { lamp: "none", word: t("Published"), meaning };
}

/** The lamp of the published fingerprints. Its place stays empty for a run that has none. */
export class PublishedLamp implements Component {
  private readonly word = h("span", {});
  private readonly meaning = h("span", {});
  readonly element = h(
    "p",
    { class: "lamp published none", "data-testid": "published", "data-state": "none", role: "status" },
    h("b", {}, h("i", { "aria-hidden": "true" }), this.word),
    this.meaning,
  );

  constructor() {
    this.update({ record: undefined, opened: undefined });
  }

  update({ record, opened }: Pick<RunSource, "record" | "opened">): void {
    const state = record === undefined ? undefined : publishedState(record, opened?.published);
    const lamp = state?.lamp ?? "none";
    this.element.className = `lamp published ${lamp}${state === undefined ? " empty" : ""}`;
    this.element.dataset["state"] = lamp;
    setText(this.word, state?.word ?? "");
    setText(this.meaning, state?.meaning ?? "");
  }
}

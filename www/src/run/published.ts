// Compares a run that nobody has changed with its published fingerprints. Only few runs have them: the lab's and the lesson's own.
import { h, setText } from "../dom";
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
      const which = `${found.fingerprints[replica]} at step ${step}, ${labelOf(record, replica)}`;
      // The documented exception (docs/RULES.md). SwiftShader, which flushes them, has the published fingerprints nevertheless.
      const why = published.subnormals === "flushed" ? " This device flushes numbers below 2⁻¹²⁶ to zero, which may be why." : "";
      return { lamp: "red", word: "Not published", meaning: `The fingerprint is ${which}; class ${published.class} has ${fingerprints[replica]}.${why}` };
    }
    equal = step;
  }
  if (equal !== undefined) {
    return { lamp: "green", word: "Published", meaning: `The fingerprints at step ${equal} are the published ones of class ${published.class}.` };
  }
  const steps = published.steps.map(({ step }) => step);
  return { lamp: "none", word: "Published", meaning: `Fingerprints of this run are published for steps ${steps.slice(0, -1).join(", ")} and ${steps.at(-1)}.` };
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

// A line of words on what the run has just done, for eyes and for screen readers.
import { h, setText } from "../dom";
import { t } from "../language/language";
import { formatCount, readableNumber } from "../numbers";
import type { RunRecord } from "./record";
import { keepTogether, labelOf } from "./replicas";
import type { Component, RunSource } from "./session";

/** Steps over which growth is measured. */
const SPAN = 8;
/** Factors over these steps beyond which a distance grows, or shrinks. */
const [GROWS, SHRINKS] = [2, 1 / 2];
/** Below this distance the copies differ in their last digits only. */
const TINY = 1e-5;
/** A distance has levelled off beyond this part of the first copy's own way. Below it a pause in the growth is no end of it. */
const LEVEL = 0.5;

/** What a copy does: a phase, which screen readers announce, and the line. */
export interface Story {
  phase: "none" | "together" | "starts" | "grows" | "level" | "apart" | "shrinks" | "lost";
  text: string;
}

/** The copy that the line is about: the first that is no control. */
export function heroOf({ ks, controls }: Pick<RunRecord, "ks" | "controls">): number | undefined {
  const others = ks.map((_, r) => r).filter((r) => r > 0);
  return others.find((r) => !controls.includes(r)) ?? others[0];
}

/** What the last steps of `record` did. */
export function storyOf(record: RunRecord | undefined): Story {
  const story = distanceStory(record);
  const distance = record === undefined ? 0 : (record.last("relL1", heroOf(record) ?? 0) ?? 0);
  return distance > 0 && distance < TINY ? { ...story, text: `${story.text} ${t("Only the last digits differ.")}` } : story;
}

/** The same, without a word on how large the distance is. */
function distanceStory(record: RunRecord | undefined): Story {
  const hero = record === undefined ? undefined : heroOf(record);
  if (record === undefined || hero === undefined || record.lastStep() === 0) return { phase: "none", text: "" };
  const [copy, first] = [labelOf(record, hero), labelOf(record, 0)];
  const step = formatCount(record.lastStep());
  const distances = record.columns.relL1[hero]!.values();
  const now = distances.at(-1)!;
  const differing = record.last("differing", hero) ?? 0;
  if (!Number.isFinite(now)) return { phase: "lost", text: t("Step {step}: numbers are no longer finite, so there is no distance to measure.", { step }) };
  // The distance is that of the convolutions; a copy that parts elsewhere first has begun to leave.
  if (now === 0 && (record.last("differingAnywhere", hero) ?? 0) > 0) {
    return { phase: "starts", text: t("Step {step}: {copy} equals {first} in every weight of the convolutions, but not in all other numbers.", { step, copy, first }) };
  }
  if (now === 0) return { phase: "together", text: t("Step {step}: {copy} equals {first} in every weight.", { step, copy, first }) };
  const difference =
    record.weights === undefined
      ? t("{differing} weights differ", { differing: formatCount(differing) })
      : t("{differing} of {weights} weights differ", { differing: formatCount(differing), weights: formatCount(record.weights) });
  const values = { step, copy, first, distance: short(now), difference };
  const before = distances.at(-1 - SPAN);
  if (before === undefined || before === 0) {
    return { phase: "starts", text: t("Step {step}: {copy} has begun to leave: {distance} from {first}; {difference}.", values) };
  }
  const factor = now / before;
  if (factor >= GROWS) {
    return {
      phase: "grows",
      text: t("Step {step}: {copy} is {factor} times as far from {first} as {span} steps ago, now {distance}; {difference}.", {
        ...values,
        factor: short(factor),
        span: SPAN,
      }),
    };
  }
  if (factor <= SHRINKS) {
    return {
      phase: "shrinks",
      text: t("Step {step}: {copy} comes back: {factor} times closer to {first} than {span} steps ago, now {distance}; {difference}.", {
        ...values,
        factor: short(1 / factor),
        span: SPAN,
      }),
    };
  }
  const fromStart = record.standings.at(-1)?.fromStart ?? undefined;
  const level = t("Step {step}: {copy} is {distance} from {first}; {difference}.", values);
  if (fromStart === undefined) return { phase: "level", text: level };
  const start = short(fromStart);
  return now >= LEVEL * fromStart
    ? { phase: "apart", text: `${level} ${t("That is far: {first} itself is {start} from its own start.", { first, start })}` }
    : { phase: "level", text: `${level} ${t("{first} itself is {start} from its own start.", { first, start })}` };
}

/** Two digits are enough in a sentence. */
function short(value: number): string {
  return readableNumber(Number(value.toPrecision(2)));
}

/** Which lines are announced: the first of each phase of a run. A distance near a threshold goes to and fro, and would be announced each time. */
export class Announced {
  private run: RunRecord | undefined;
  private readonly phases = new Set<Story["phase"]>();

  /** The line to announce now, if it is the first of its phase. */
  next(run: RunRecord | undefined, { phase, text }: Story): string | undefined {
    if (run !== this.run) this.phases.clear();
    this.run = run;
    if (this.phases.has(phase)) return undefined;
    this.phases.add(phase);
    return text;
  }
}

/** The line under the main plot. */
export class StoryLine implements Component {
  private readonly line = h("p", { class: "story", "data-testid": "story" });
  /** Screen readers hear each phase, not every number. */
  private readonly heard = h("p", { class: "hidden", role: "status" });
  readonly element = h("div", {}, this.line, this.heard);
  private readonly announced = new Announced();

  update({ record }: RunSource): void {
    const story = storyOf(record);
    setText(this.line, keepTogether(story.text));
    const line = this.announced.next(record, story);
    if (line !== undefined) setText(this.heard, line);
  }
}

// A line of words on what the run has just done, for eyes and for screen readers.
import { h, setText } from "../dom";
import { t } from "../language/language";
import { formatCount, readableNumber } from "../numbers";
import type { RunRecord } from "./record";
import { labelOf } from "./replicas";
import type { Component, RunSource } from "./session";

/** Steps over which growth is measured. */
const SPAN = 8;
/** Factors over these steps beyond which a distance grows, or shrinks. */
const [GROWS, SHRINKS] = [1.3, 1 / 1.3];
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
  const hero = record === undefined ? undefined : heroOf(record);
  if (record === undefined || hero === undefined || record.lastStep() === 0) return { phase: "none", text: "" };
  const [who, first] = [labelOf(record, hero), labelOf(record, 0)];
  const step = record.lastStep();
  const distances = record.columns.relL1[hero]!.values();
  const now = distances.at(-1)!;
  const differing = record.last("differing", hero) ?? 0;
  const weights = record.weights === 0 ? "" : `; ${formatCount(differing)} of ${formatCount(record.weights)} weights differ`;
  const at = `Step ${formatCount(step)}`;
  if (!Number.isFinite(now)) return { phase: "lost", text: `${at}: numbers are no longer finite, so there is no distance to measure.` };
  // The distance is that of the convolutions; a copy that parts elsewhere first has begun to leave.
  if (now === 0 && (record.last("differingAnywhere", hero) ?? 0) > 0) {
    return { phase: "starts", text: t("Step {step}: {who} equals {first} in every weight of the convolutions, but not in all other numbers.", { step: formatCount(step), who, first }) };
  }
  if (now === 0) return { phase: "together", text: `${at}: ${who} equals ${first} in every weight.` };
  const before = distances.at(-1 - SPAN);
  if (before === undefined || before === 0) {
    return { phase: "starts", text: `${at}: ${who} has begun to leave: ${short(now)} from ${first}${weights}.` };
  }
  const factor = now / before;
  if (factor >= GROWS) {
    return { phase: "grows", text: `${at}: ${who} is ${short(factor)} times as far from ${first} as ${SPAN} steps ago, now ${short(now)}${weights}.` };
  }
  if (factor <= SHRINKS) {
    return { phase: "shrinks", text: `${at}: ${who} comes back: ${short(1 / factor)} times closer to ${first} than ${SPAN} steps ago, now ${short(now)}${weights}.` };
  }
  const start = record.standings.at(-1)?.fromStart ?? undefined;
  if (start === undefined) return { phase: "level", text: `${at}: ${who} is ${short(now)} from ${first}${weights}.` };
  return now >= LEVEL * start
    ? { phase: "apart", text: `${at}: ${who} is ${short(now)} from ${first}${weights}. That is far: ${first} itself is ${short(start)} from its own start.` }
    : { phase: "level", text: `${at}: ${who} is ${short(now)} from ${first}${weights}. ${first} itself is ${short(start)} from its own start.` };
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
    setText(this.line, story.text);
    const line = this.announced.next(record, story);
    if (line !== undefined) setText(this.heard, line);
  }
}

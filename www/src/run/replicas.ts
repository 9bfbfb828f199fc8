// Names and colours of replicas, the same everywhere.
import { english, t } from "../language/language";
import type { RunRecord } from "./record";
import { type Treatment, treatmentText } from "./treatments";

type Shape = Pick<RunRecord, "ks" | "controls"> & { treatments?: readonly Treatment[] };

/** Letters of a name that need not fit in one line. */
const LONG = 20;

/** The colours of tokens.css for replicas that are neither the first nor a control. */
const COLOURS = 8;

/** A colour of tokens.css: `ref` for the first, `ctl` for controls, `c0` to `c7` for the others in order. */
export function colourOf({ ks, controls }: Shape, replica: number): string {
  if (replica === 0) return "ref";
  if (controls.includes(replica)) return "ctl";
  return `c${orderOf({ ks, controls }, replica) % COLOURS}`;
}

/** Whether the colour of a replica is that of an earlier one, so that its curve needs another line. */
export function repeatsColour(shape: Shape, replica: number): boolean {
  return orderOf(shape, replica) >= COLOURS;
}

/** The place of a replica among those that are neither the first nor a control; −1 if it is one of these. */
function orderOf({ ks, controls }: Shape, replica: number): number {
  return ks.map((_, r) => r).filter((r) => r > 0 && !controls.includes(r)).indexOf(replica);
}

/**
 * `k = 3`, or what is done to the weights where all copies have the same k: `1 ulp before step 100`. Repeated names are numbered:
 * `k = 1 (no. 2)`.
 */
export function labelOf(shape: Shape, replica: number): string {
  return namesOf(shape).labels[replica] ?? "";
}

/** A class for elements that hold a name: those of perturbed copies can be long, and wrap. */
export const lengthOf = (label: string): string => (label.length > LONG ? "long" : "");

/** For test ids and columns of files, the same in every language: `k3`, `k1-2` for the second k = 1, `1-ulp-before-step-100`. */
export function idOf(shape: Shape, replica: number): string {
  return namesOf(shape).ids[replica] ?? "";
}

interface Names {
  labels: string[];
  ids: string[];
}

/** The names of the copies of a run are asked for in every frame. */
const known = new WeakMap<Shape, Names>();

function namesOf(shape: Shape): Names {
  const found = known.get(shape);
  if (found !== undefined) return found;
  const { ks, treatments = [] } = shape;
  const isOneK = ks.every((k) => k === ks[0]);
  const nameOf = (k: number, r: number, say: typeof english): string => {
    const treatment = treatments[r];
    if (treatment === undefined) return `k = ${k}`;
    const text = treatmentText(treatment, say);
    return isOneK ? text : `k = ${k}, ${text}`;
  };
  const numbered = (names: readonly string[], again: (name: string, number: number) => string): string[] => {
    const times = new Map<string, number>();
    return names.map((name) => {
      const number = (times.get(name) ?? 0) + 1;
      times.set(name, number);
      return number === 1 ? name : again(name, number);
    });
  };
  const names = {
    labels: numbered(ks.map((k, r) => nameOf(k, r, t)), (copy, number) => t("{copy} (no. {number})", { copy, number })),
    ids: numbered(ks.map((k, r) => slug(nameOf(k, r, english))), (name, number) => `${name}-${number}`),
  };
  known.set(shape, names);
  return names;
}

/** `k = 3, 1 ulp before step 100` becomes `k3-1-ulp-before-step-100`: no blank or comma, which files and selectors would have to quote. */
const slug = (name: string): string => name.replace("k = ", "k").replaceAll(/[^\w.+-]+/g, "-");

/** Replicas that must equal the first bit for bit, as the core will say once it has opened the run: its k times a power of two, and its treatment. */
export function controlsOf(ks: readonly number[], perturbation: string, treatments: readonly Treatment[] = []): number[] {
  const [first = 1] = ks;
  const isEqual = (k: number): boolean => (perturbation === "nextafter" ? k === first : Number.isInteger(Math.log2(k / first)));
  const isTreatedAlike = (r: number): boolean => JSON.stringify(treatments[r]) === JSON.stringify(treatments[0]);
  return ks.map((_, r) => r).filter((r) => r > 0 && isEqual(ks[r]!) && isTreatedAlike(r));
}

/** The role of a replica: `reference`, `control` or empty. */
export function roleOf({ controls }: Shape, replica: number): string {
  return replica === 0 ? t("reference") : controls.includes(replica) ? t("control") : "";
}

/** `text` with each “k = 3” in one line. */
export const keepTogether = (text: string): string => text.replace(/k = (\d)/g, "k\u00a0=\u00a0$1");

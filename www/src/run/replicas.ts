// Names and colours of replicas, the same everywhere.
import { t } from "../language/language";
import type { RunRecord } from "./record";

type Shape = Pick<RunRecord, "ks" | "controls">;

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

/** `k = 3`; a repeated k is numbered: `k = 1 (no. 2)`. */
export function labelOf({ ks }: Shape, replica: number): string {
  const earlier = ks.slice(0, replica).filter((k) => k === ks[replica]).length;
  const k = ks[replica] ?? "";
  return earlier === 0 ? `k = ${k}` : t("k = {k} (no. {number})", { k, number: earlier + 1 });
}

/** For test ids: `k3`, and `k1-2` for the second k = 1. */
export function idOf({ ks }: Shape, replica: number): string {
  const earlier = ks.slice(0, replica).filter((k) => k === ks[replica]).length;
  return `k${ks[replica]}${earlier === 0 ? "" : `-${earlier + 1}`}`;
}

/** Replicas that must equal the first bit for bit, as the core will say once it has opened the run: k times a power of two. */
export function controlsOf(ks: readonly number[], perturbation: string): number[] {
  const [first = 1] = ks;
  const isControl = (k: number): boolean => (perturbation === "nextafter" ? k === first : Number.isInteger(Math.log2(k / first)));
  return ks.map((_, r) => r).filter((r) => r > 0 && isControl(ks[r]!));
}

/** The role of a replica: `reference`, `control` or empty. */
export function roleOf({ controls }: Shape, replica: number): string {
  return replica === 0 ? t("reference") : controls.includes(replica) ? t("control") : "";
}

/** `text` with each “k = 3” in one line. */
export const keepTogether = (text: string): string => text.replace(/k = (\d)/g, "k\u00a0=\u00a0$1");

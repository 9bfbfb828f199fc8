// Names and colours of replicas, the same everywhere.
import type { RunRecord } from "./record";

type Shape = Pick<RunRecord, "ks" | "controls">;

/** A colour of tokens.css: `ref` for the first, `ctl` for controls, `c0` to `c5` for the others in order. */
export function colourOf({ ks, controls }: Shape, replica: number): string {
  if (replica === 0) return "ref";
  if (controls.includes(replica)) return "ctl";
  const others = ks.map((_, r) => r).filter((r) => r > 0 && !controls.includes(r));
  return `c${others.indexOf(replica) % 6}`;
}

/** `k = 3`; a repeated k is numbered: `k = 1 (no. 2)`. */
export function labelOf({ ks }: Shape, replica: number): string {
  const earlier = ks.slice(0, replica).filter((k) => k === ks[replica]).length;
  return `k = ${ks[replica]}${earlier === 0 ? "" : ` (no. ${earlier + 1})`}`;
}

/** For test ids: `k3`, and `k1-2` for the second k = 1. */
export function idOf({ ks }: Shape, replica: number): string {
  const earlier = ks.slice(0, replica).filter((k) => k === ks[replica]).length;
  return `k${ks[replica]}${earlier === 0 ? "" : `-${earlier + 1}`}`;
}

/** The role of a replica: `reference`, `control` or empty. */
export function roleOf({ controls }: Shape, replica: number): string {
  return replica === 0 ? "reference" : controls.includes(replica) ? "control" : "";
}

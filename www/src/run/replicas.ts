// How replicas are called and coloured, everywhere alike.
import type { RunRecord } from "./record";

type Shape = Pick<RunRecord, "ks" | "controls">;

/** A colour of tokens.css: `ref` for the first, `ctl` for controls, `c0` to `c5` for the others in order. */
export function colourOf({ ks, controls }: Shape, replica: number): string {
  if (replica === 0) return "ref";
  if (controls.includes(replica)) return "ctl";
  const others = ks.map((_, r) => r).filter((r) => r > 0 && !controls.includes(r));
  return `c${others.indexOf(replica) % 6}`;
}

/** `k = 3`; twins are counted: `k = 1 (2nd)`. */
export function labelOf({ ks }: Shape, replica: number): string {
  const earlier = ks.slice(0, replica).filter((k) => k === ks[replica]).length;
  return `k = ${ks[replica]}${earlier === 0 ? "" : ` (no. ${earlier + 1})`}`;
}

/** For test ids: `k3`, and `k1-2` for the second k = 1. */
export function idOf({ ks }: Shape, replica: number): string {
  const earlier = ks.slice(0, replica).filter((k) => k === ks[replica]).length;
  return `k${ks[replica]}${earlier === 0 ? "" : `-${earlier + 1}`}`;
}

/** What a replica is for. */
export function roleOf({ controls }: Shape, replica: number): string {
  return replica === 0 ? "reference" : controls.includes(replica) ? "control" : "";
}

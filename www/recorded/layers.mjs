// The `layers` lines of a run's metrics.jsonl in a recorded run.

/** Rounds to the significant digits that a plot shows. */
const short = (value, digits = 4) => (value === null ? null : Number(value.toPrecision(digits)));
export const all = (values, digits) => values.map((value) => short(value, digits));

/** A line as www/src/recorded/format.ts reads it. `weight` is a number, 32 bits unsigned; older programs did not record it. */
export function recordedLayers({ step, replica, fingerprint, weight, rel_l1 }) {
  const bits = weight === undefined ? {} : { weight: Number.parseInt(weight, 16) };
  return { step, replica, fingerprint, ...bits, relL1: all(Object.values(rel_l1), 3) };
}

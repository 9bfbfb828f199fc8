// Comparing runs with different learning rates after the same number of steps or the same learning time, which is rate × steps.

/** Where a comparison of the newest curve with the others ends: beyond, only one of them is left. A newest one without a step hides none. */
export function comparableEnd(newest: number, others: readonly number[]): number {
  const longest = Math.max(0, ...others);
  return newest > 0 && longest > 0 ? Math.min(newest, longest) : Math.max(newest, longest);
}

/** The mean of each value and those before it, `window` in all or as many as there are. */
export function runningMean(values: Float64Array, window: number): Float64Array {
  let sum = 0;
  // A loss that is not finite stays in the sum: from there on nothing is shown.
  return values.map((value, index) => {
    sum += value - (index >= window ? values[index - window]! : 0);
    return sum / Math.min(index + 1, window);
  });
}

/** The step to which a run continues that pauses at `target` of at most `most` steps; `undefined` at its end. */
export function nextTarget(step: number, target: number, most: number): number | undefined {
  if (step < target) return target;
  return target < most ? Math.min(2 * target, most) : undefined;
}

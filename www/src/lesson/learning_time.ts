// Curves of runs with different learning rates on one horizontal axis: steps, or learning time, which is rate × steps.

/** A curve: `values[i]` belongs to `x[i]`, which ascends. */
export interface Points {
  x: Float64Array;
  values: Float64Array;
}

/** All x of the curves, ascending, each once. */
export function commonAxis(curves: readonly Points[]): Float64Array {
  const all = curves.flatMap(({ x }) => [...x]).sort((a, b) => a - b);
  return Float64Array.from(all.filter((x, index) => index === 0 || x > all[index - 1]!));
}

/**
 * The curve at the positions of `axis`, up to its end, and `NaN` before its beginning. Between two points it is a straight line
 * of the plot, which is logarithmic if `isLog`.
 */
export function onAxis({ x, values }: Points, axis: Float64Array, isLog: boolean): Float64Array {
  const end = x.at(-1) ?? -Infinity;
  const found = axis.filter((at) => at <= end);
  let next = 0;
  return found.map((at) => {
    while (x[next]! < at) next++;
    const [to, toValue] = [x[next]!, values[next]!];
    if (to === at) return toValue;
    if (next === 0) return Number.NaN;
    const [from, fromValue] = [x[next - 1]!, values[next - 1]!];
    const share = (at - from) / (to - from);
    if (!isLog) return fromValue + share * (toValue - fromValue);
    // Zero has no logarithm; it lasts until the next point.
    return fromValue > 0 && toValue > 0 ? fromValue * (toValue / fromValue) ** share : fromValue;
  });
}

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

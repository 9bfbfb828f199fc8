// Curves with points of their own on one horizontal axis.

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

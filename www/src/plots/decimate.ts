// Reduces the points of a line without changing its picture: of the many points that share a few columns of pixels, a line
// needs only the lowest and the highest.

/** First index and end of the points of `x` (ascending) in [from, to], with one neighbour on each side, so that lines reach the edges. */
export function visibleRange(x: Float64Array, from: number, to: number): [number, number] {
  return [Math.max(lowerBound(x, from) - 1, 0), Math.min(lowerBound(x, to) + 2, x.length)];
}

/** The first index whose value is at least `value`. */
export function lowerBound(x: Float64Array, value: number): number {
  let [low, high] = [0, x.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The indices of `[from, to)` to draw, ascending and without repetition: all of them if they are few, else both ends and, for
 * each of `buckets` equal runs of points, the lowest and the highest value of every curve in `ys`.
 */
export function decimate(ys: readonly Float64Array[], [from, to]: [number, number], buckets: number): Uint32Array {
  const n = to - from;
  if (n <= buckets * 4) return Uint32Array.from({ length: Math.max(n, 0) }, (_, i) => from + i);
  const chosen: number[] = [from];
  for (let bucket = 0; bucket < buckets; bucket++) {
    const start = from + Math.floor((n * bucket) / buckets);
    const end = from + Math.floor((n * (bucket + 1)) / buckets);
    const places: number[] = [];
    for (const y of ys) {
      let [low, high] = [start, start];
      for (let i = start + 1; i < end; i++) {
        // Any other value replaces NaN.
        if (y[i]! < y[low]! || Number.isNaN(y[low])) low = i;
        if (y[i]! > y[high]! || Number.isNaN(y[high])) high = i;
      }
      places.push(low, high);
    }
    places.sort((a, b) => a - b);
    for (const place of places) if (place !== chosen.at(-1)) chosen.push(place);
  }
  if (chosen.at(-1) !== to - 1) chosen.push(to - 1);
  return Uint32Array.from(chosen);
}

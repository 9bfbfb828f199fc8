// Where the labels of marks and curves go, so that none covers another. All lengths are in one unit, such as pixels.

/** A vertical line, and the width of its label. */
export interface Mark {
  at: number;
  width: number;
}

/** The place of a mark's label: its row from the top, and its left edge. */
export interface MarkPlace {
  row: number;
  left: number;
}

/**
 * Places of the labels of `marks` (ascending) between the edges of a plot, in at most `rows` rows; `undefined` for a label without
 * room. The newest marks come first, because they hold now. A label stands to the right of its line, or to the left where
 * the plot ends.
 */
export function placeMarks(marks: readonly Mark[], [from, to]: readonly [number, number], rows: number, gap: number): (MarkPlace | undefined)[] {
  const taken: [left: number, right: number][][] = Array.from({ length: rows }, () => []);
  const places = marks.map((): MarkPlace | undefined => undefined);
  for (let i = marks.length - 1; i >= 0; i--) {
    const { at, width } = marks[i]!;
    const isInside = at + gap + width <= to;
    const left = isInside ? at + gap : at - gap - width;
    const row = taken.findIndex((others) => others.every(([start, end]) => left >= end + gap || left + width + gap <= start));
    if (left < from || row < 0) continue;
    taken[row]!.push([left, left + width]);
    places[i] = { row, left };
  }
  return places;
}

/** The marks that hold: of several with one `x`, the last. */
export function lastAtEach<T extends { x: number }>(marks: readonly T[]): T[] {
  return [...new Map(marks.map((mark) => [mark.x, mark])).values()].sort((a, b) => a.x - b.x);
}

/** The middles of labels of one `height` that shall be at `wanted`: moved apart as little as needed, between `top` and `bottom` if they fit. */
export function spreadLabels(wanted: readonly number[], height: number, [top, bottom]: readonly [number, number]): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]!);
  const middles = [...wanted];
  // Down from the top, then up from the bottom.
  let least = top + height / 2;
  for (const i of order) {
    middles[i] = Math.max(middles[i]!, least);
    least = middles[i]! + height;
  }
  let most = bottom - height / 2;
  for (const i of order.reverse()) {
    middles[i] = Math.min(middles[i]!, most);
    most = middles[i]! - height;
  }
  return middles;
}

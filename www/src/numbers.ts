// Formats numbers for people. Numbers that tests read are plain: digits, a point, an exponent.

/** A plain number with at most four significant digits: `0`, `0.1234`, `2.31`, `3.40e-7`. */
export function formatNumber(value: number | undefined): string {
  if (value === undefined) return "–";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e5 ? String(Number(value.toPrecision(4))) : value.toExponential(2);
}

/** A count in groups of three, with narrow spaces that do not break: `78 042`. */
export function formatCount(value: number): string {
  return value.toLocaleString("en").replaceAll(",", "\u202f");
}

/** Steps a second: `0.42`, `3.1`, `250`. */
export function formatRate(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

// Ticks and their words: powers of ten for what spans decades, round numbers for the rest.

/** Where a logarithmic axis puts zero, which has no logarithm: a decade below everything else. */
export interface LogScale {
  /** Exponents at the bottom and the top. */
  min: number;
  max: number;
  /** Exponent at which zero is drawn, if there is a zero. */
  zero: number | undefined;
}

/** The scale of positive numbers between `low` and `high`; `undefined` for both if there are none. */
export function logScale(low: number | undefined, high: number | undefined, hasZero: boolean): LogScale {
  const bottom = low === undefined ? -9 : Math.floor(Math.log10(low));
  const top = high === undefined ? 0 : Math.max(Math.ceil(Math.log10(high)), bottom + 1);
  const zero = hasZero ? bottom - Math.max(1, Math.round((top - bottom) / 10)) : undefined;
  return { min: zero === undefined ? bottom : zero - 0.35, max: top + 0.05, zero };
}

/** Where a value is drawn on it; values that are not finite are not drawn. */
export function toLog(value: number, scale: LogScale): number | null {
  if (value > 0 && value < Infinity) return Math.log10(value);
  return value === 0 && scale.zero !== undefined ? scale.zero : null;
}

/** Exponents that get a tick: whole ones, as many as there is room for, and zero's. */
export function logTicks(scale: LogScale, room: number): number[] {
  const bottom = scale.zero === undefined ? Math.ceil(scale.min) : scale.zero + 1;
  const every = Math.max(1, Math.ceil((scale.max - bottom) / Math.max(room, 1)));
  const ticks = scale.zero === undefined ? [] : [scale.zero];
  for (let at = Math.floor(scale.max); at >= bottom; at -= every) ticks.push(at);
  return ticks.sort((a, b) => a - b);
}

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A power of ten in words: `10⁻³`, `1`, `0` for zero's place. */
export function powerText(exponent: number, scale: LogScale): string {
  if (exponent === scale.zero) return "0";
  if (exponent === 0) return "1";
  const digits = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPT[Number(digit)]).join("");
  return `10${exponent < 0 ? "⁻" : ""}${digits}`;
}

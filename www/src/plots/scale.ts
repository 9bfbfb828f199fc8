// Logarithmic axes: where values and ticks are drawn, and the labels of ticks.
import { superscript } from "../numbers";

/** Of a linear axis, in every language: the decimal point is a point, as in configs. */
const TICK = new Intl.NumberFormat("en");

/** The scale of a logarithmic axis. Zero, which has no logarithm, is drawn at least a decade below everything else. */
export interface LogScale {
  /** Exponents at the bottom and the top. */
  min: number;
  max: number;
  /** Exponent at which zero is drawn; `undefined` if no value is zero. */
  zero: number | undefined;
}

/** The scale for positive numbers between `low` and `high`; both are `undefined` if there are none. */
export function logScale(low: number | undefined, high: number | undefined, hasZero: boolean): LogScale {
  const bottom = low === undefined ? -9 : Math.floor(Math.log10(low));
  // Relative L1 is 2 at most, which does not need the whole decade up to 10.
  const highest = high === undefined ? 0 : Math.log10(high);
  const ceiling = highest > 0 && highest < 0.35 ? 0 : Math.ceil(highest);
  const top = high === undefined ? 0 : Math.max(ceiling, bottom + 1);
  const zero = hasZero ? bottom - Math.max(1, Math.round((top - bottom) / 10)) : undefined;
  return { min: zero === undefined ? bottom : zero - 0.35, max: Math.max(top, highest) + 0.05, zero };
}

/** The exponent at which a value is drawn; `null` if it is not drawn, because it is not finite or not on the scale. */
export function toLog(value: number, scale: LogScale): number | null {
  if (value > 0 && value < Infinity) return Math.log10(value);
  return value === 0 && scale.zero !== undefined ? scale.zero : null;
}

/** Exponents of the ticks: whole ones, about `room` at most, and the one at which zero is drawn. */
export function logTicks(scale: LogScale, room: number): number[] {
  const bottom = scale.zero === undefined ? Math.ceil(scale.min) : scale.zero + 1;
  const every = Math.max(1, Math.ceil((scale.max - bottom) / Math.max(room, 1)));
  const ticks = scale.zero === undefined ? [] : [scale.zero];
  for (let at = Math.floor(scale.max); at >= bottom; at -= every) ticks.push(at);
  return ticks.sort((a, b) => a - b);
}

/** The labels of ticks of a linear axis: `0.25`, and `−2·10⁻⁴` where all are too small for three decimals. */
export function tickTexts(ticks: readonly number[]): string[] {
  const most = Math.max(...ticks.map(Math.abs));
  if (most >= 0.005 || most === 0) return ticks.map((tick) => TICK.format(tick).replace("-", "−"));
  const power = Math.floor(Math.log10(most));
  return ticks.map((tick) => {
    const significand = Number((tick / 10 ** power).toPrecision(3));
    return significand === 0 ? "0" : `${significand}·10${superscript(power)}`.replace("-", "−");
  });
}

/** The label of a tick: `10⁻³`, `1`, or `0` where zero is drawn. */
export function powerText(exponent: number, scale: LogScale): string {
  if (exponent === scale.zero) return "0";
  if (exponent === 0) return "1";
  return `10${superscript(exponent)}`;
}

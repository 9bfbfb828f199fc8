// float32 as the lesson shows it: bits, exact values, neighbours, and the update of one weight. JavaScript's numbers are
// float64, in which a product of two float32 is exact; only the last rounding needs care.
import { t } from "../language/language";

const view = new DataView(new ArrayBuffer(4));

/** The 32 bits of `value` as an unsigned integer. */
export function bitsOf(value: number): number {
  view.setFloat32(0, value);
  return view.getUint32(0);
}

/** Sign, exponent and significand as stored in the bits. */
export interface Fields {
  sign: 0 | 1;
  /** 0..255; 127 stands for 2^0. */
  exponent: number;
  /** 0..2^23 - 1. */
  significand: number;
}

/** The three fields of a number's bits. */
export function fieldsOf(bits: number): Fields {
  return { sign: bits >>> 31 === 1 ? 1 : 0, exponent: (bits >>> 23) & 0xff, significand: bits & 0x7fffff };
}

/** The distance from a finite number to the next one away from zero, in float64. */
export function spacing(bits: number): number {
  return 2 ** (Math.max(fieldsOf(bits).exponent, 1) - 150);
}

/** All decimal digits of the number. They end, because a float32 is a whole number times a power of two. */
export function exactDecimal(bits: number): string {
  const { sign, exponent, significand } = fieldsOf(bits);
  if (exponent === 255) return significand === 0 ? (sign === 1 ? "−∞" : "∞") : t("not a number");
  const whole = BigInt(exponent === 0 ? significand : significand + 0x800000);
  const power = Math.max(exponent, 1) - 150;
  const digits = power >= 0 ? String(whole << BigInt(power)) : decimals(whole, -power);
  return sign === 1 ? `−${digits}` : digits;
}

/** `whole` / 2^`halvings`, which has exactly `halvings` decimals, less the zeros at the end. */
function decimals(whole: bigint, halvings: number): string {
  const digits = String(whole * 5n ** BigInt(halvings)).padStart(halvings + 1, "0");
  const fraction = digits.slice(-halvings).replace(/0+$/, "");
  const before = digits.slice(0, -halvings);
  return fraction === "" ? before : `${before}.${fraction}`;
}

/** The float32 nearest to a * b + c for float32 a, b, c, as `fma` gives it: one rounding, ties to even. */
export function fma(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  // What float64 lost in the sum, exactly (Knuth's two-sum). It decides only where the sum looks like a tie.
  const part = sum - product;
  const lost = product - (sum - part) + (c - part);
  const rounded = Math.fround(sum);
  const rest = sum - rounded;
  const other = Math.fround(rounded + 2 * rest);
  const isTie = rest !== 0 && other !== rounded && other - sum === rest;
  return isTie && lost !== 0 && lost > 0 === rest > 0 ? other : rounded;
}

/** One weight after one step of plain SGD, as the trainer computes it: p - (lr k) (d / k), rounded as float32 is. */
export function sgdStep(p: number, d: number, lr: number, k: number): number {
  return fma(-Math.fround(lr * k), Math.fround(d / k), p);
}

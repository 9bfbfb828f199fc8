// Formats numbers: for people, and plainly for programs that read the page (digits, a point, an exponent).
import { setText } from "./dom";
import { language, t } from "./language/language";

/** A plain number with at most four significant digits: `0`, `0.1234`, `2.31`, `3.40e-7`. */
export function formatNumber(value: number | undefined): string {
  if (value === undefined) return "–";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e5 ? String(Number(value.toPrecision(4))) : value.toExponential(2);
}

/** Powers of ten in words, of many and of one. */
const WORDS = [
  [1e12, "{number} trillion", "1 trillion"],
  [1e9, "{number} billion", "1 billion"],
  [1e6, "{number} million", "1 million"],
] as const;

/** A number for people: `0.1234`, `270,000`, `2.1 billion`, `2.7 × 10⁻⁵`. Whole numbers below a million are exact. */
export function readableNumber(value: number | undefined): string {
  if (value === undefined) return "–";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? t("not a number") : value > 0 ? "∞" : "−∞";
  if (value < 0) return `−${readableNumber(-value)}`;
  if (value === 0) return "0";
  if (value < 9.995e-4 || value >= 999.5e12) return powerOfTen(value);
  if (value >= 999_999.5) {
    const [unit, many, one] = WORDS.find(([unit]) => value >= unit * 0.9995) ?? WORDS[2];
    const number = Number((value / unit).toPrecision(value / unit >= 99.95 ? 3 : 2));
    return number === 1 ? t(one) : t(many, { number });
  }
  return value >= 1e4 || Number.isInteger(value) ? formatCount(Math.round(value)) : formatCount(Number(value.toPrecision(4)));
}

/** `2.7 × 10⁻⁵`. */
function powerOfTen(value: number): string {
  return withPower(value.toExponential(1).replace(".0e", "e"));
}

/** JavaScript's text of a number, for people: `-1.5e-7` becomes `−1.5 × 10⁻⁷`, in one line. */
export function withPower(text: string): string {
  return text.replace(/e\+0$/, "").replace(/e([+-]\d+)$/, (_, exponent: string) => `\u00a0×\u00a010${superscript(Number(exponent))}`).replace(/^-/, "−");
}

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A whole number in raised digits: `⁻³`. */
export function superscript(value: number): string {
  const digits = [...String(Math.abs(value))].map((digit) => SUPERSCRIPT[Number(digit)]).join("");
  return `${value < 0 ? "⁻" : ""}${digits}`;
}

/** Shows a number in `element`: to people as {@link readableNumber}, and plainly, for programs, in `data-value`. */
export function showNumber(element: HTMLElement, value: number | undefined): void {
  element.dataset["value"] = formatNumber(value);
  setText(element, readableNumber(value));
}

/**
 * A number with its thousands apart: `78,042`, or `78 042` in other languages, where a comma means something else. The decimal point stays
 * a point, as in configs and on the command line.
 */
export function formatCount(value: number): string {
  const text = value.toLocaleString("en", { maximumSignificantDigits: 15 });
  return language === "en" ? text : text.replaceAll(",", "\u202f");
}

/** A place in a row: `3rd`. */
export function formatOrdinal(n: number): string {
  if (language !== "en") return `${n}.`;
  const ending = n % 10 === 1 && n !== 11 ? "st" : n % 10 === 2 && n !== 12 ? "nd" : n % 10 === 3 && n !== 13 ? "rd" : "th";
  return `${n}${ending}`;
}

/** Steps a second: `0.42`, `3.1`, `250`. */
export function formatRate(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

// Chapter 1: what float32 is. Thirty-two bits to click.
import { button, h, setText } from "../dom";
import { t } from "../language/language";
import { withPower } from "../numbers";
import { floatOf } from "../run/floats";
import type { Exhibit } from "./chapter";
import { bitsOf, exactDecimal, fieldsOf, spacing } from "./float32";

const FIELDS = [
  { name: t("sign"), bit: () => t("sign bit"), className: "s", from: 31, to: 31 },
  { name: t("exponent"), bit: (number: number) => t("exponent bit {number}", { number }), className: "e", from: 30, to: 23 },
  { name: t("fraction"), bit: (number: number) => t("fraction bit {number}", { number }), className: "m", from: 22, to: 0 },
];

const START = 0.1;
/** Words in which one bit of the exponent is set. */
const EXPONENT_BITS = Array.from({ length: 8 }, (_, bit) => 1 << (23 + bit));

/** Creates the live part. */
export function exhibit(seen: () => void): Exhibit {
  let bits = bitsOf(START);
  let before = bits;
  /** What has been clicked: the last bit, and a bit of the exponent. */
  const clicked = { last: false, exponent: false };
  const buttons: HTMLButtonElement[] = [];
  const names: string[] = [];
  const row = h("div", { class: "bit-row", "data-testid": "bit-row" });
  for (const { name, bit: nameOf, className, from, to } of FIELDS) {
    const group = h("div", { class: `bit-group ${className}`, role: "group", "aria-label": name });
    for (let bit = from; bit >= to; bit--) {
      const label = bit === 0 ? t("last bit") : nameOf(bit - to);
      const one = button("0", () => set(bits ^ (1 << bit)), { class: bit === 0 ? "bit last" : "bit", "data-testid": `bit-${bit}` });
      buttons[bit] = one;
      names[bit] = label;
      group.append(one);
    }
    row.append(h("div", { class: "bit-field" }, group, h("span", { class: "note", "aria-hidden": "true" }, name)));
  }
  const input = h("input", { type: "text", inputmode: "decimal", autocomplete: "off", "data-testid": "float-input" });
  const shortest = h("dd", { "data-testid": "float-value" });
  const exact = h("dd", { class: "mono wrap", "data-testid": "float-exact" });
  const formula = h("dd", {});
  const step = h("dd", {});
  const moved = h("dd", { "data-testid": "float-moved", "aria-live": "polite" });
  input.addEventListener("change", () => {
    const value = Number(input.value.replace(",", "."));
    const isNumber = input.value.trim() !== "" && !Number.isNaN(value);
    input.setAttribute("aria-invalid", String(!isNumber));
    if (isNumber) set(bitsOf(value));
  });

  function set(next: number): void {
    before = bits;
    bits = next >>> 0;
    show();
    const flipped = before ^ bits;
    clicked.last ||= flipped === 1;
    clicked.exponent ||= EXPONENT_BITS.includes(flipped);
    if (clicked.last && clicked.exponent) seen();
  }

  function show(): void {
    for (const [bit, one] of buttons.entries()) {
      const value = (bits >>> bit) & 1;
      setText(one, String(value));
      one.setAttribute("aria-label", `${value}, ${names[bit]}`);
      one.setAttribute("aria-pressed", String(value === 1));
      one.classList.toggle("changed", ((bits ^ before) >>> bit) % 2 === 1);
    }
    const value = floatOf(bits);
    const { sign, exponent, significand } = fieldsOf(bits);
    input.value = shortestDecimal(value);
    setText(shortest, shortestDecimal(value));
    setText(exact, cut(exactDecimal(bits)));
    const scaled = (significand / 2 ** 23 + (exponent === 0 ? 0 : 1)).toFixed(7);
    const power = h("sup", {}, String(Math.max(exponent, 1) - 127));
    formula.replaceChildren(...(exponent === 255 ? ["–"] : [`${sign === 1 ? "−" : ""}${scaled} × 2`, power]));
    setText(step, exponent === 255 ? "–" : withPower(spacing(bits).toExponential(2)));
    const change = value - floatOf(before);
    setText(moved, bits === before ? "–" : withPower(change.toExponential(2)));
  }

  show();
  const element = h(
    "div",
    { class: "panel exhibit" },
    h("label", { class: "field number" }, h("span", {}, t("A number")), input),
    row,
    h(
      "dl",
      { class: "facts" },
      h("div", {}, h("dt", {}, t("value")), shortest),
      h("div", {}, h("dt", {}, t("all its digits")), exact),
      h("div", {}, h("dt", {}, t("made of")), formula),
      h("div", {}, h("dt", {}, t("to the next number")), step),
      h("div", {}, h("dt", {}, t("the last click moved it by")), moved),
    ),
    h("div", { class: "toolbar" }, button(t("Back to 0.1"), () => set(bitsOf(START)), { "data-testid": "float-reset" })),
  );
  return { element, close: () => undefined };
}

/** The shortest decimal number that rounds to this float32. */
export function shortestDecimal(value: number): string {
  for (let digits = 1; digits < 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return String(Number(text));
  }
  return String(Number(value.toPrecision(9)));
}

/** Shortens the digits of very small numbers, which have more than a hundred. */
function cut(digits: string): string {
  return digits.length > 60 ? `${digits.slice(0, 60)}…` : digits;
}

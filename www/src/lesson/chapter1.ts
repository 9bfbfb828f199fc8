// Chapter 1: what float32 is. Thirty-two bits to click.
import { button, h, setText } from "../dom";
import { withPower } from "../numbers";
import { floatOf } from "../run/floats";
import type { Chapter, Exhibit } from "./chapter";
import { bitsOf, exactDecimal, fieldsOf, spacing } from "./float32";

export const chapter: Chapter = {
  title: "A number is 32 bits",
  text: [
    "A weight of a network is a float32: a number that is stored in 32 bits.",
    "The first bit is the sign. The next eight say between which two powers of two the number lies. The other 23 say where " +
      "between them: they divide the interval from one power to the next into 8,388,608 equal steps. That is about seven decimal " +
      "digits, and nothing lies between two steps. Every result of every addition and multiplication is rounded to one of them.",
    "So 0.1 is not exactly 0.1. It is the nearest float32.",
  ],
  task: "Click the last bit, the one with the thick frame. Then click an exponent bit, for comparison.",
  sight:
    "The last bit moves 0.1 by 7.5 billionths, one part in 13 million. Everything in this lesson begins with " +
    "a change of that size.",
  teacher: {
    notes: [
      "Let the class guess the exact value of 0.1 before they read it. Then type 16777217: the box answers 16777216, the " +
        "first whole number that float32 skips.",
      "Two minutes are enough. What must stick: *rounding is relative*. The step is about 1/10,000,000 of the number, " +
        "whether the number is a weight of 0.01 or a loss of 2.3.",
    ],
    questions: [
      ["How many float32 lie between 1 and 2? Between 1024 and 2048?", "8,388,608 each: 2^23 steps from any power of two to the next."],
      ["Why can 0.1 not be a float32, however many bits there are?", "A binary fraction is a whole number over a power of two. 1/10 has a factor 5 in its denominator."],
      ["1 + 0.00000005 in float32?", "1. The step above 1 is 2^-23, about 0.00000012, and less than half of it is rounded away."],
    ],
  },
  exhibit,
};

const FIELDS = [
  { name: "sign", className: "s", from: 31, to: 31 },
  { name: "exponent", className: "e", from: 30, to: 23 },
  { name: "significand", className: "m", from: 22, to: 0 },
] as const;

const START = 0.1;

function exhibit(seen: () => void): Exhibit {
  let bits = bitsOf(START);
  let before = bits;
  const buttons: HTMLButtonElement[] = [];
  const names: string[] = [];
  const row = h("div", { class: "bit-row", "data-testid": "bit-row" });
  for (const { name, className, from, to } of FIELDS) {
    const group = h("div", { class: `bit-group ${className}`, role: "group", "aria-label": name });
    for (let bit: number = from; bit >= to; bit--) {
      const label = bit === 0 ? "last bit" : name === "sign" ? "sign bit" : `${name} bit ${bit - to}`;
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
    if ((before ^ bits) === 1) seen();
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
    h("label", { class: "field number" }, h("span", {}, "A number"), input),
    row,
    h(
      "dl",
      { class: "facts" },
      h("div", {}, h("dt", {}, "value"), shortest),
      h("div", {}, h("dt", {}, "all its digits"), exact),
      h("div", {}, h("dt", {}, "made of"), formula),
      h("div", {}, h("dt", {}, "to the next number"), step),
      h("div", {}, h("dt", {}, "the last click moved it by"), moved),
    ),
    h("div", { class: "toolbar" }, button("Back to 0.1", () => set(bitsOf(START)), { "data-testid": "float-reset" })),
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

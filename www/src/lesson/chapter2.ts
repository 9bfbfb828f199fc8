// Chapter 2: divide by k and multiply by k. This is the perturbation of the training, on one number and on many.
import { button, h, setText } from "../dom";
import { t } from "../language/language";
import type { Exhibit } from "./chapter";
import { shortestDecimal } from "./chapter1";
import { bitsOf, sgdStep } from "./float32";

const DIVISORS = [1, 2, 3, 4, 5, 7];
const TRIES = 100_000;
/** Standard deviations of the numbers, as is typical of weights and their gradients. */
const WEIGHT_STD = 0.1;
const UPDATE_STD = 0.01;
const LR = 0.1;

interface Count {
  back: number;
  weights: number;
}

/** Creates the live part. */
export function exhibit(seen: () => void): Exhibit {
  let k = 3;
  let d = Math.fround(0.1);
  const results = new Map<number, Count>();
  const rows = [h("tr"), h("tr"), h("tr")];
  const verdict = h("p", { class: "verdict", "data-testid": "divide-verdict", "aria-live": "polite" });
  const table = h("tbody");

  function show(): void {
    const quotient = Math.fround(d / k);
    const back = Math.fround(quotient * k);
    const names = ["d", `d / ${k}`, `(d / ${k}) · ${k}`];
    for (const [index, value] of [d, quotient, back].entries()) {
      rows[index]!.replaceChildren(
        h("th", { scope: "row" }, names[index]!),
        h("td", { class: "bits" }, ...bitSpans(bitsOf(value), index === 2 ? bitsOf(d) : bitsOf(value))),
        h("td", { class: "value" }, shortestDecimal(value)),
      );
    }
    setText(verdict, verdictText(d, back));
    verdict.classList.toggle("apart", back !== d);
    const entries = [...results].sort(([a], [b]) => a - b);
    table.replaceChildren(
      ...entries.map(([divisor, count]) =>
        h(
          "tr",
          { "data-testid": `divide-row-${divisor}` },
          h("th", { scope: "row" }, `k = ${divisor}`),
          h("td", { "data-testid": `divide-back-${divisor}` }, percent(count.back)),
          h("td", {}, percent(count.weights)),
        ),
      ),
    );
    if (entries.length === 0) table.append(h("tr", {}, h("td", { colspan: 3, class: "soft" }, t("not tried yet"))));
  }

  const choices = h("fieldset", { class: "choices" }, h("legend", {}, "k"));
  for (const divisor of DIVISORS) {
    const radio = h("input", { type: "radio", name: "divisor", value: divisor, "data-testid": `divisor-${divisor}` });
    radio.checked = divisor === k;
    radio.addEventListener("change", () => {
      k = divisor;
      show();
    });
    choices.append(h("label", {}, radio, h("span", {}, String(divisor))));
  }

  show();
  const element = h(
    "div",
    { class: "panel exhibit" },
    choices,
    h("div", { class: "scroll" }, h("table", { class: "bit-table k-c0", "aria-label": t("Bits on the way") }, h("tbody", {}, ...rows))),
    verdict,
    h(
      "div",
      { class: "toolbar" },
      button(t("Another number"), () => {
        d = Math.fround(normal() * UPDATE_STD);
        show();
      }),
      button(t("Try 100,000 numbers"), () => {
        results.set(k, tally(k));
        if (results.has(3) && (results.has(2) || results.has(4))) seen();
        show();
      }, { class: "primary", "data-testid": "divide-try" }),
    ),
    h(
      "div",
      { class: "scroll" },
      h(
        "table",
        { "aria-live": "polite" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("100,000 times")), h("th", { scope: "col" }, t("(d / k) · k is not d")), h("th", { scope: "col" }, t("different weight after the step")))),
        table,
      ),
    ),
    h("p", { class: "note" }, t("Random numbers: d about {update}, weights about {weight}, learning rate {rate}, rounded as the trainer does.", { update: UPDATE_STD, weight: WEIGHT_STD, rate: LR })),
  );
  return { element, close: () => undefined };
}

/** Whether `d` came back as `back`. Their bits may differ in several places, as 0.1111 and 1.0000 do, although they are neighbours. */
export function verdictText(d: number, back: number): string {
  if (back === d) return t("It came back.");
  return Math.abs(back) > Math.abs(d)
    ? t("It did not come back: it is the next float32, farther from zero.")
    : t("It did not come back: it is the next float32, closer to zero.");
}

/** How many of {@link TRIES} random numbers do not come back, and how many weights differ after a step. */
export function tally(k: number): Count {
  const count = { back: 0, weights: 0 };
  for (let i = 0; i < TRIES; i++) {
    const d = Math.fround(normal() * UPDATE_STD);
    const p = Math.fround(normal() * WEIGHT_STD);
    if (Math.fround(Math.fround(d / k) * k) !== d) count.back++;
    if (sgdStep(p, d, LR, k) !== sgdStep(p, d, LR, 1)) count.weights++;
  }
  return count;
}

/** A standard normal number (Box and Muller). */
function normal(): number {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

function percent(count: number): string {
  return count === 0 ? "0" : `${((100 * count) / TRIES).toFixed(1)} %`;
}

/** Bits in their three fields; those that differ from `other` are marked. */
function bitSpans(bits: number, other: number): HTMLElement[] {
  const text = bits.toString(2).padStart(32, "0");
  const span = (className: string, from: number, to: number) =>
    h(
      "span",
      { class: className },
      ...[...text.slice(from, to)].map((bit, index) => h(((bits ^ other) >>> (31 - from - index)) % 2 === 0 ? "i" : "b", {}, bit)),
    );
  return [span("s", 0, 1), span("e", 1, 9), span("m", 9, 32)];
}

import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { formatCount, formatNumber, formatOrdinal, formatRate, readableNumber, withPower } = await load("numbers.ts");

test("numbers have at most four digits, and only a point and an exponent beside them", () => {
  const texts = [undefined, NaN, Infinity, -Infinity, 0, -0, 0.1234567, 2.31, 1e-3, 9.99e-4, 3.4e-7, 99_999, 1e5, -1234.5].map(formatNumber);
  assert.deepEqual(texts, ["–", "NaN", "Infinity", "-Infinity", "0", "0", "0.1235", "2.31", "0.001", "9.99e-4", "3.40e-7", "100000", "1.00e+5", "-1235"]);
});

/** A text with plain spaces in place of those that do not break. */
const inOneLine = (text) => text.replaceAll("\u00a0", " ");

test("numbers for people have words and raised exponents", () => {
  const shown = {
    "0": 0, "0.1235": 0.1234567, "−2.31": -2.31, "0.001": 1e-3, "0.003797": 0.003797, "1,235": 1234.5, "12,346": 12_345.6,
    "78,042": 78_042, "270,000": 270_000, "999,999": 999_999, "1 million": 999_999.6, "2.1 million": 2_060_000, "12 million": 12_345_678,
    "124 million": 123_500_000, "1 billion": 999_900_000, "2.1 billion": 2.06e9, "4.3 billion": 2 ** 32, "1.5 trillion": 1.5e12,
    "2.7 × 10⁻⁵": 2.7e-5, "3.4 × 10⁻⁷": 3.4e-7, "1 × 10⁻³": 9.99e-4, "6 × 10¹⁵": 6e15, "∞": Infinity, "−∞": -Infinity, "not a number": NaN,
  };
  for (const [text, value] of Object.entries(shown)) assert.equal(inOneLine(readableNumber(value)), text);
  assert.equal(readableNumber(undefined), "–");
  assert.deepEqual(["0.12", "-1.5e-7", "1e+21"].map(withPower).map(inOneLine), ["0.12", "−1.5 × 10⁻⁷", "1 × 10²¹"]);
});

test("counts have their thousands apart", () => {
  assert.deepEqual([0, 999, 78_042, 1_234_567].map(formatCount), ["0", "999", "78,042", "1,234,567"]);
});

test("rates lose decimals as they grow", () => {
  assert.deepEqual([0.421, 3.14159, 25.04, 250.4].map(formatRate), ["0.42", "3.14", "25.0", "250"]);
});

test("a place in a row has its ending", () => {
  assert.deepEqual([1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 31, 32].map(formatOrdinal), ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "23rd", "31st", "32nd"]);
});

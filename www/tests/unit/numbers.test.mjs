import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { formatCount, formatNumber, formatRate } = await load("numbers.ts");

test("numbers have at most four digits, and only a point and an exponent beside them", () => {
  const texts = [undefined, NaN, Infinity, -Infinity, 0, -0, 0.1234567, 2.31, 1e-3, 9.99e-4, 3.4e-7, 99_999, 1e5, -1234.5].map(formatNumber);
  assert.deepEqual(texts, ["–", "NaN", "Infinity", "-Infinity", "0", "0", "0.1235", "2.31", "0.001", "9.99e-4", "3.40e-7", "100000", "1.00e+5", "-1235"]);
});

test("counts are grouped by spaces that do not break", () => {
  assert.deepEqual([0, 999, 78_042, 1_234_567].map(formatCount), ["0", "999", "78\u202f042", "1\u202f234\u202f567"]);
});

test("rates lose decimals as they grow", () => {
  assert.deepEqual([0.421, 3.14159, 25.04, 250.4].map(formatRate), ["0.42", "3.14", "25.0", "250"]);
});

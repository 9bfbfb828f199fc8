// The colours of curves: readable on their background, and apart for readers with each kind of colour blindness.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { load } from "./load.mjs";

const { RATES } = await load("run/smooth.ts");
const css = await readFile(new URL("../../src/style/tokens.css", import.meta.url), "utf8");

/** Contrast of small text, by WCAG 2.1 AA. */
const CONTRAST = 4.5;
/** Distance in OKLab that two curves need. Older pairs of colours are closer, and differ by their order in the legend alone. */
const APART = { c: 0.08, r: 0.025 };
/** Simulations of normal sight, protanopia, deuteranopia and tritanopia, on linear RGB (Machado, Oliveira and Fernandes 2009). */
const SIGHTS = [
  [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
];
const TO_CONES = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005]];
const TO_LAB = [[0.2104542553, 0.793617785, -0.0040720468], [1.9779984951, -2.428592205, 0.4505937099], [0.0259040371, 0.7827717662, -0.808675766]];

const times = (matrix, vector) => matrix.map((row) => row.reduce((sum, value, i) => sum + value * vector[i], 0));

/** Linear RGB of a token, by theme. */
function colour(name, theme) {
  const hex = new RegExp(`--${name}: light-dark\\(#(\\w{6}), #(\\w{6})\\)`).exec(css)[theme === "light" ? 1 : 2];
  return [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
}

function contrast(a, b) {
  const [low, high] = [a, b].map(([r, g, blue]) => 0.2126 * r + 0.7152 * g + 0.0722 * blue + 0.05).sort((x, y) => x - y);
  return high / low;
}

/** Smallest distance of two colours over all kinds of sight. */
function apart(a, b) {
  const lab = (sight, one) => times(TO_LAB, times(TO_CONES, times(sight, one).map((c) => Math.min(Math.max(c, 0), 1))).map(Math.cbrt));
  return Math.min(...SIGHTS.map((sight) => Math.hypot(...lab(sight, a).map((value, i) => value - lab(sight, b)[i]))));
}

const curves = Array.from({ length: 8 }, (_, i) => `c${i}`);
const ordered = RATES.map((_, i) => `r${i}`);

for (const theme of ["light", "dark"]) {
  test(`curves are readable, ${theme}`, () => {
    for (const name of [...curves, ...ordered]) {
      const found = contrast(colour(name, theme), colour("paper", theme));
      assert.ok(found >= CONTRAST, `${name}: ${found}`);
    }
  });

  test(`colour-blind readers can distinguish the colours of curves, ${theme}`, () => {
    for (const name of ["c5", "c6", "c7"]) {
      for (const other of ["ref", "ctl", ...curves]) {
        const found = apart(colour(name, theme), colour(other, theme));
        assert.ok(name === other || found >= APART.c, `${name} and ${other}: ${found}`);
      }
    }
  });

  test(`each learning rate has its colour, in the order of lightness, ${theme}`, () => {
    for (const a of ordered) for (const b of ordered) assert.ok(a === b || apart(colour(a, theme), colour(b, theme)) >= APART.r, `${a} and ${b}`);
    const strengths = ordered.map((name) => contrast(colour(name, theme), colour("paper", theme)));
    assert.deepEqual(strengths, strengths.toSorted((a, b) => a - b));
  });
}

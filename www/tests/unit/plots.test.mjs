import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { decimate, lowerBound, visibleRange } = await load("plots/decimate.ts");
const { logScale, logTicks, powerText, toLog } = await load("plots/scale.ts");
// An instance of its own: other tests leave requests open.
const { cancelFrame, inNextFrame } = await load("frame.ts?plots");

test("a view of a plot includes one neighbour on each side", () => {
  const x = Float64Array.of(1, 2, 3, 4, 5, 6);
  assert.deepEqual([0, 3, 3.5, 9].map((value) => lowerBound(x, value)), [0, 2, 3, 6]);
  assert.deepEqual(visibleRange(x, 3, 4), [1, 5]);
  assert.deepEqual(visibleRange(x, 0, 9), [0, 6]);
});

test("few points are all drawn", () => {
  assert.deepEqual([...decimate([Float64Array.of(1, 2, 3, 4)], [1, 4], 1)], [1, 2, 3]);
  assert.deepEqual([...decimate([], [0, 0], 5)], []);
});

test("of many points, both ends and every peak of every curve are drawn", () => {
  const n = 10_000;
  const flat = new Float64Array(n);
  const [up, down] = [flat.slice(), flat.slice()];
  up[1234] = 5;
  down[8765] = -5;
  down.fill(NaN, 0, 100);
  const drawn = decimate([up, down], [0, n], 50);
  assert.ok(drawn.length <= 4 * 50 + 2, `${drawn.length} points`);
  for (const i of [0, 1234, 8765, n - 1]) assert.ok(drawn.includes(i), String(i));
  assert.ok(drawn.every((i, at) => at === 0 || i > drawn[at - 1]), "ascending");
});

test("a logarithmic scale holds its values, and zero below them", () => {
  const scale = logScale(3e-9, 0.2, true);
  assert.deepEqual([scale.zero, Math.floor(scale.max)], [-10, 0]);
  assert.ok(scale.min < scale.zero);
  assert.deepEqual([1e-3, 0, NaN, Infinity, -1].map((value) => toLog(value, scale)), [-3, -10, null, null, null]);
  assert.equal(toLog(0, logScale(1, 10, false)), null);
  assert.deepEqual(logScale(undefined, undefined, false), { min: -9, max: 0.05, zero: undefined });
});

test("ticks are whole powers that fit", () => {
  const scale = logScale(1e-9, 1, true);
  assert.deepEqual(logTicks(scale, 100), [-10, -9, -8, -7, -6, -5, -4, -3, -2, -1, 0]);
  assert.ok(logTicks(scale, 4).length <= 6);
  assert.deepEqual([-10, -9, 0, 12].map((tick) => powerText(tick, scale)), ["0", "10⁻⁹", "1", "10¹²"]);
});

test("what is requested often is drawn once a frame, and drawing leaves time for other work", () => {
  const frames = [];
  globalThis.requestAnimationFrame = (frame) => frames.push(frame);
  let [drawn, drawnAt] = [0, 0];
  const draw = () => {
    drawn += 1;
    for (const end = performance.now() + 20; performance.now() < end; );
    drawnAt = performance.now();
  };
  for (let i = 0; i < 5; i++) inNextFrame(draw);
  assert.equal(frames.length, 1);
  frames.shift()(performance.now());
  assert.equal(drawn, 1);
  inNextFrame(draw);
  frames.shift()(drawnAt + 1);
  assert.equal(drawn, 1, "it rests for twice the time that drawing took");
  frames.shift()(performance.now() + 1000);
  assert.equal(drawn, 2);
  inNextFrame(draw);
  cancelFrame(draw);
  frames.shift()(performance.now() + 2000);
  assert.equal(drawn, 2);
});

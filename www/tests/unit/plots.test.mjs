import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { decimate, lowerBound, visibleRange } = await load("plots/decimate.ts");
const { lastAtEach, placeMarks, spreadLabels } = await load("plots/labels.ts");
const { logScale, logTicks, powerText, tickTexts, toLog } = await load("plots/scale.ts");
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

test("ticks of a linear axis are told apart however small they are", () => {
  assert.deepEqual(tickTexts([0, 0.5, 1]), ["0", "0.5", "1"]);
  assert.deepEqual(tickTexts([-20_000, 0, 0.005]), ["−20,000", "0", "0.005"]);
  assert.deepEqual(tickTexts([-2e-4, -1e-4, 0, 5e-5]), ["−2·10⁻⁴", "−1·10⁻⁴", "0", "0.5·10⁻⁴"]);
  assert.deepEqual(tickTexts([0]), ["0"]);
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

test("labels of marks that are close stand in rows, the newest first, and those without room are left out", () => {
  const place = (...lefts) => placeMarks(lefts.map((at) => ({ at, width: 40 })), [0, 200], 2, 4);
  assert.deepEqual(place(10, 100), [{ row: 0, left: 14 }, { row: 0, left: 104 }], "far apart");
  assert.deepEqual(place(10, 20), [{ row: 1, left: 14 }, { row: 0, left: 24 }]);
  assert.deepEqual(place(10, 20, 30), [undefined, { row: 1, left: 24 }, { row: 0, left: 34 }], "the oldest is left out");
  assert.deepEqual(place(190), [{ row: 0, left: 146 }], "the plot ends");
  const many = place(...Array.from({ length: 50 }, (_, i) => 4 * i));
  const shown = many.flatMap((one, i) => (one === undefined ? [] : [{ ...one, i }]));
  assert.ok(shown.at(-1).i === 49 && shown.length >= 6);
  for (const a of shown) {
    assert.ok(a.left >= 0 && a.left + 40 <= 200);
    for (const b of shown) assert.ok(a === b || a.row !== b.row || Math.abs(a.left - b.left) >= 44, "no label covers another");
  }
});

test("of marks at one step the last one holds", () => {
  const marks = [{ x: 5, label: "a" }, { x: 2, label: "b" }, { x: 5, label: "c" }];
  assert.deepEqual(lastAtEach(marks), [{ x: 2, label: "b" }, { x: 5, label: "c" }]);
});

test("labels at the ends of curves do not cover one another and stay in the plot", () => {
  assert.deepEqual(spreadLabels([10, 50], 10, [0, 100]), [10, 50]);
  assert.deepEqual(spreadLabels([50, 51, 49], 10, [0, 100]), [59, 69, 49]);
  assert.deepEqual(spreadLabels([99, 98], 10, [0, 100]), [95, 85]);
  assert.deepEqual(spreadLabels([0], 10, [0, 100]), [5]);
});

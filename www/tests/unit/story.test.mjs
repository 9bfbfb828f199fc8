import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { RunRecord } = await load("run/record.ts");
const { Announced, storyOf } = await load("run/story.ts");
const { climbedOf, height, tickColumns } = await load("run/climb.ts");
const { disagreements, rgbaOf, rightAnswers } = await load("run/consequence.ts");
const { between } = await load("run/curves.ts");
const { choose } = await load("backend.ts");
const { parseWorkerName, workerName } = await load("worker_name.ts");

const SHAPE = { ks: [1, 2, 3], controls: [1], tensors: [{ name: "conv1", shape: [10, 3], measured: true }] };

/** A record whose third copy is at these distances, with `differing` weights, and `anywhere` elements in all. */
function recordOf(distances, { differing, anywhere, shape = SHAPE } = {}) {
  const record = new RunRecord(shape);
  addSteps(record, distances, differing, anywhere);
  return record;
}

/** Adds a step for each distance. */
function addSteps(record, distances, differing = 7, anywhere = (d) => (d === 0 ? 0 : 8)) {
  for (const d of distances) {
    const row = [record.lastStep() + 1, 0, 0.1, 2, 2, 2, 0, 0, d, 0, 0, 3, 0, 0, d === 0 ? 0 : differing, 0, 0, anywhere(d), 50, 50, 50];
    record.addSteps({ kind: "steps", rows: Float64Array.from(row) });
  }
}

test("the story says what the last steps did", () => {
  const of = (distances) => storyOf(recordOf(distances));
  assert.deepEqual(storyOf(undefined), { phase: "none", text: "" });
  assert.deepEqual(of([]), { phase: "none", text: "" });
  assert.deepEqual(of([0, 0]), { phase: "together", text: "Step 2: k = 3 equals k = 1 in every weight." });
  assert.deepEqual(of([0, 3e-9]), { phase: "starts", text: "Step 2: k = 3 has begun to leave: 3\u00a0×\u00a010⁻⁹ from k = 1; 7 of 30 weights differ. Only the last digits differ." });
  const doubling = Array.from({ length: 12 }, (_, i) => 1e-9 * 2 ** i);
  assert.match(of(doubling).text, /^Step 12: k = 3 is 260 times as far from k = 1 as 8 steps ago, now .*; 7 of 30 weights differ\. Only the last digits differ\.$/);
  assert.equal(of(doubling).phase, "grows");
  assert.match(of(doubling.reverse()).text, /k = 3 comes back: 260 times closer to k = 1 than 8 steps ago/);
  assert.equal(of([...doubling, Number.NaN]).phase, "lost");
  const level = recordOf(Array.from({ length: 12 }, () => 0.5));
  assert.match(storyOf(level).text, /k = 3 is 0\.5 from k = 1; 7 of 30 weights differ\.$/);
  level.standings.push({ kind: "standing", step: 12, fromStart: 0.6, fromSeed: 1.4, predictions: [] });
  assert.match(storyOf(level).text, /That is far: k = 1 itself is 0\.6 from its own start\.$/);
  // A pause in the growth is no end of it.
  const pause = recordOf(Array.from({ length: 12 }, () => 0.004));
  pause.standings.push({ kind: "standing", step: 12, fromStart: 0.6, fromSeed: 1.4, predictions: [] });
  assert.equal(storyOf(pause).phase, "level");
});

test("copies are equal only if no element differs anywhere", () => {
  const { phase, text } = storyOf(recordOf([0], { differing: 0, anywhere: () => 3 }));
  assert.deepEqual([phase, text], ["starts", "Step 1: k = 3 equals k = 1 in every weight of the convolutions, but not in all other numbers."]);
});

test("a distance that flickers about a threshold is announced once, and a new run from the start", () => {
  const announced = new Announced();
  /** The phases that are announced while a run goes through these distances. */
  const heard = (distances) => {
    const record = recordOf([]);
    const phases = [];
    distances.forEach((d, i) => {
      addSteps(record, [d]);
      record.standings.push({ kind: "standing", step: i + 1, fromStart: 0.6, fromSeed: 1.4, predictions: [] });
      const story = storyOf(record);
      if (announced.next(record, story) !== undefined) phases.push(story.phase);
    });
    return phases;
  };
  const flickering = [0, 0.29, ...Array.from({ length: 60 }, (_, i) => (Math.floor(i / 3) % 2 === 0 ? 0.299 : 0.301))];
  assert.deepEqual(heard(flickering), ["together", "starts", "level", "apart"]);
  assert.deepEqual(heard(flickering), ["together", "starts", "level", "apart"]);
});

test("a recorded run without the shapes of its weights has no number of all weights", () => {
  const shape = { ...SHAPE, tensors: [{ name: "conv1", shape: [10, 3], measured: true }, { name: "conv2", shape: [], measured: true }] };
  assert.match(storyOf(recordOf([0, 3e-9], { shape })).text, /from k = 1; 7 weights differ\. Only/);
});

test("bits climb: those of both copies by step, and the highest that differs", () => {
  const layers = [[1, 5, 5], [2, 0b1000, 0b1011], [3, 7, undefined]].map(([step, a, b]) => ({ step, weights: [a, a, b] }));
  const climbed = climbedOf(layers, 2);
  assert.deepEqual(climbed.map(({ step }) => step), [1, 2], "a step without the copy's bits is left out");
  assert.deepEqual(climbed.map(height), [0, 2]);
  assert.equal(height({ reference: 0, other: 0x8000_0000 | 0 }), 32, "a sign");
  const bits = (value) => new Uint32Array(Float32Array.of(value).buffer)[0];
  const blownUp = [1, Infinity, NaN].flatMap((a) => [1, -Infinity].map((b) => [a, b])).map(([a, b], i) => ({ step: i, weights: [bits(a), bits(a), bits(b)] }));
  assert.deepEqual(climbedOf(blownUp, 2).map(({ step }) => step), [0], "infinity and NaN have no bits that climb");
});

test("ticks stand at round steps and do not cover one another", () => {
  const steps = [...Array.from({ length: 20 }, (_, i) => i + 1), ...Array.from({ length: 18 }, (_, i) => 30 + 10 * i)];
  const shown = (room) => tickColumns(steps, room).map((column) => steps[column]);
  assert.deepEqual(shown(1), [1, 2, 5, 10, 20, 50, 100, 200]);
  assert.deepEqual(shown(4), [1, 5, 10, 20, 100, 200]);
  assert.deepEqual(tickColumns([], 1), []);
});

test("copies disagree where they see different classes", () => {
  const standing = { kind: "standing", step: 3, fromStart: null, fromSeed: null, predictions: [[1, 2, 3, 4], [1, 2, 3, 4], [1, 0, 3, 5]] };
  assert.deepEqual(disagreements(standing, 2), [1, 3]);
  assert.deepEqual(disagreements(standing, 1), []);
  assert.deepEqual(rightAnswers(standing, [1, 2, 0, 5]), [50, 50, 50]);
});

test("test images are planes, in colour or grey", () => {
  const colour = { kind: "images", shape: [3, 1, 2], labels: [0, 1], classes: [], pixels: Uint8Array.from({ length: 12 }, (_, i) => i) };
  assert.deepEqual([...rgbaOf(colour, 1)], [6, 8, 10, 255, 7, 9, 11, 255]);
  const grey = { ...colour, shape: [1, 1, 2], pixels: Uint8Array.of(1, 2, 3, 4) };
  assert.deepEqual([...rgbaOf(grey, 1)], [3, 3, 3, 255, 4, 4, 4, 255]);
});

test("lines of scale go straight between what was measured", () => {
  const steps = Float64Array.of(1, 2, 3, 4, 5, 6);
  assert.deepEqual([...between([[2, 1], [4, 3]], steps)], [Number.NaN, 1, 2, 3, 3, 3]);
  assert.equal(between([], steps), undefined);
  assert.equal(between([[2, null]], steps), undefined, "a network too large to measure");
});

test("a GPU comes before the processor, which comes before a software GPU; a wish counts if it can be had", () => {
  const gpu = { ok: true, name: "a", software: false };
  const software = { ...gpu, software: true };
  const none = { ok: false, reason: "unsupported", why: "", remedy: "" };
  assert.deepEqual([gpu, software, none].map((webgpu) => choose(webgpu, true, undefined)), ["webgpu", "processor", "processor"]);
  assert.deepEqual([gpu, software, none].map((webgpu) => choose(webgpu, false, undefined)), ["webgpu", "webgpu", "recorded"]);
  assert.deepEqual(["webgpu", "processor", "recorded", "nonsense"].map((wish) => choose(software, true, wish)), ["webgpu", "processor", "recorded", "processor"]);
  assert.deepEqual(["webgpu", "processor"].map((wish) => choose(none, false, wish)), ["recorded", "recorded"]);
});

test("a worker knows by its name what it is for", () => {
  for (const role of ["run", "equations"]) {
    for (const backend of ["webgpu", "processor"]) assert.deepEqual(parseWorkerName(workerName(role, backend)), { role, backend });
  }
});

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { load } from "./load.mjs";

const { publishedState } = await load("run/published.ts");
const { RunRecord } = await load("run/record.ts");
const { config, defaults, preset, PROPERTIES } = await load("properties.ts");
const { LESSON_RUN, RATES } = await load("run/smooth.ts");
const { runAt } = await load("lesson/rate_runs.ts");
const table = JSON.parse(await readFile(new URL("../../../core/src/published/page_runs.json", import.meta.url), "utf8"));

/** A record of k = 1 and 3 with these fingerprints, by step. */
function recordOf(steps) {
  const record = new RunRecord({ ks: [1, 3], controls: [], tensors: [] });
  for (const [step, ...fingerprints] of steps) {
    fingerprints.forEach((fingerprint, replica) => record.addLayers({ kind: "layers", step, replica, fingerprint, relL1: [] }));
  }
  return record;
}

const PUBLISHED = { class: "separate", subnormals: "kept", steps: [{ step: 1, fingerprints: ["a1", "b1"] }, { step: 10, fingerprints: ["a10", "b10"] }] };

test("a run is compared at the last published step that it has reached", () => {
  const at = (...steps) => publishedState(recordOf(steps), PUBLISHED);
  assert.deepEqual(at(), { lamp: "none", word: "Published", meaning: "Fingerprints of this run are published for steps 1 and 10." });
  assert.equal(at([1, "a1"]).lamp, "none", "a replica is missing");
  assert.equal(at([1, "a1", "b1"]).meaning, "The fingerprints at step 1 are the published ones of class separate.");
  assert.match(at([1, "a1", "b1"], [2, "x", "y"], [10, "a10", "b10"], [20, "x", "y"]).meaning, /at step 10 are/);
  assert.match(at([5, "x", "y"], [10, "a10", "b10"]).meaning, /at step 10 are/, "step 1 was not logged");
});

test("the first difference is named, and stays", () => {
  const red = { lamp: "red", word: "Not published", meaning: "The fingerprint is ff at step 1, k = 3; class separate has b1." };
  assert.deepEqual(publishedState(recordOf([[1, "a1", "ff"]]), PUBLISHED), red);
  assert.deepEqual(publishedState(recordOf([[1, "a1", "ff"], [10, "a10", "b10"]]), PUBLISHED), red);
});

test("a device that flushes subnormal numbers has a possible reason", () => {
  const state = publishedState(recordOf([[1, "a1", "ff"]]), { ...PUBLISHED, subnormals: "flushed" });
  assert.equal(state.lamp, "red");
  assert.match(state.meaning, /class separate has b1\. This device flushes numbers/);
});

test("nothing is shown for a run that is not published, or that was changed", () => {
  const steps = [[1, "a1", "b1"]];
  assert.equal(publishedState(recordOf(steps), null), undefined);
  assert.equal(publishedState(recordOf(steps), undefined), undefined);
  const changed = recordOf(steps);
  changed.lrChanges.push({ step: 5, lr: 0.2 });
  assert.equal(publishedState(changed, PUBLISHED), undefined);
  const flipped = recordOf(steps);
  flipped.flips.push({ step: 5, flip: {} });
  assert.equal(publishedState(flipped, PUBLISHED), undefined);
});

test("the table has the page's own runs", () => {
  const native = Object.fromEntries(PROPERTIES.map(({ key, native }) => [key, native]));
  const runs = [
    ["lab", defaults(preset("resnet8", false))],
    ["lab-software", defaults(preset("resnet8", true))],
    ["lesson-3", defaults({ ...LESSON_RUN, lr: "0.1" })],
    ...RATES.map((rate) => [`lesson-6-rate-${rate}`, runAt(rate)]),
  ];
  assert.deepEqual(table.map(({ name }) => name), runs.map(([name]) => name));
  for (const [name, values] of runs) {
    const inTable = table.find((run) => run.name === name).config;
    // Keys that the table omits have the defaults of `lastbit train`; the number of steps changes no bit.
    const expected = { ...config(native), ...inTable };
    for (const key of ["steps", "epochs"]) delete expected[key];
    const found = config(values);
    for (const key of Object.keys(expected)) assert.deepEqual(found[key], expected[key], `${key} of ${name}`);
  }
});

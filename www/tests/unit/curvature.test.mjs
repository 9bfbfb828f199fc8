// Curvature and growth: what is recorded, drawn beside the edges, told in words and saved.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { crossedAt, curvatureCurves, curvatureText, edgesOf } = await load("run/curvature.ts");
const { exponents } = await load("run/growth.ts");
const { RunRecord } = await load("run/record.ts");
const { Session } = await load("run/session.ts");
const { measuredLines } = await load("lab/share.ts");
const { hasShown, runAt } = await load("lesson/chapter6.ts");
const { property } = await load("properties.ts");
const { validate } = await load("validate.ts");

const SHAPE = { ks: [1, 3, 2], controls: [2], tensors: [] };
const measured = (step, lambdaMax, batchSharpness = 1, lr = 0.05) => ({
  kind: "curvature", step, lr, lambdaMax, batchSharpness, batchSharpnessError: 0, line: `{"kind":"curvature","step":${step}}`,
});

test("the edges of a run are those of a native report", () => {
  const edges = (values) => edgesOf(values).map(({ label, times, decay }) => [label, Number(times.toPrecision(6)), ...(decay > 0 ? [decay] : [])]);
  assert.deepEqual(edges({ optimizer: "sgd", momentum: "0", nesterov: "true" }), [["2/lr", 2]]);
  assert.deepEqual(edges({ optimizer: "sgd", momentum: "0.9", nesterov: "true" }), [
    ["2/lr", 2], ["2(1+b)/(1+2b)/lr, full batches", 1.35714], ["2(1-b)/lr, small batches", 0.2],
  ]);
  assert.deepEqual(edges({ optimizer: "sgd", momentum: "0.9", nesterov: "false" })[1], ["2(1+b)/lr, full batches", 3.8]);
  assert.deepEqual(edges({ optimizer: "adamw", momentum: "0.9", nesterov: "true" }), []);
});

test("the weight decay, which the measured loss does not contain, is subtracted from an edge", () => {
  // The one-layer network: dt 0.01, alpha 20.
  const edges = edgesOf({ momentum: "0", "weight-decay": "20" });
  const lines = [measured(0, 150, 1, 0.01), measured(10, 185, 1, 0.01), measured(20, null, 1, 0.01)];
  const drawn = curvatureCurves(lines, edges)[2];
  assert.deepEqual([drawn.label, ...drawn.values], ["2/lr - 20", 180, 180, 180]);
  assert.equal(crossedAt(lines, edges), 10);
  assert.equal(curvatureText(lines.slice(0, 2), edges), "After step 10: largest eigenvalue 185, Batch Sharpness 1; 2/lr - 20 is 180.");
  assert.equal(crossedAt([measured(0, null, 1, 1)], edges), undefined, "not measured, although no sharpness is below the edge");
  assert.deepEqual(edgesOf({ momentum: "0.9", nesterov: "false", "weight-decay": "0.01" }).map(({ label }) => label), [
    "2/lr - 0.01", "2(1+b)/lr - 0.01, full batches", "2(1-b)/lr - 0.01, small batches",
  ]);
});

test("measurements become curves, with the edge at the rate of each", () => {
  const lines = [measured(0, 13, 5), measured(10, null, null), measured(20, 44, 39, 0.1)];
  const curves = curvatureCurves(lines, edgesOf({ momentum: "0" })).map(({ label, values }) => [label, [...values]]);
  assert.deepEqual(curves, [["largest eigenvalue", [13, NaN, 44]], ["Batch Sharpness", [5, NaN, 39]], ["2/lr", [40, 40, 20]]]);
});

test("the newest measurement is told in words, and the first beyond the edge", () => {
  const edges = edgesOf({ momentum: "0" });
  assert.equal(curvatureText([], edges), "");
  assert.equal(curvatureText([measured(1200, 44.123, 38)], edges), "After step 1,200: largest eigenvalue 44.12, Batch Sharpness 38; 2/lr is 40.");
  assert.equal(curvatureText([measured(0, null)], []), "After step 0: largest eigenvalue not a number, Batch Sharpness 1.");
  assert.equal(crossedAt([measured(0, 13), measured(10, 39.9)], edges), undefined);
  assert.equal(crossedAt([measured(0, 13), measured(10, null), measured(20, 40), measured(30, 13)], edges), 20);
  assert.equal(crossedAt([measured(0, 1e9)], []), undefined, "AdamW has no such edge");
});

test("the exponent is the sum of the logarithms over the steps", () => {
  const lines = [[5, 1], [10, 3], [15, null], [20, 1]].map(([step, growth]) => ({ kind: "growth", step, steps: 5, growth: [0, growth], line: "" }));
  assert.deepEqual([...exponents(lines, 1)], [0.2, 0.4, NaN, NaN], "unknown from the first that is not finite");
  assert.deepEqual([...exponents(lines, 0)], [0, 0, 0, 0]);
});

test("a session records what is measured, and its lines are saved as the native program writes them", () => {
  globalThis.Worker = class {
    postMessage() {}
  };
  globalThis.requestAnimationFrame = () => 0;
  const session = new Session("processor");
  session.open({ ks: "1,3,2" });
  const send = (event) => session.engine.worker.onmessage({ data: { run: 1, event } });
  send({ kind: "opened", ...SHAPE });
  assert.equal(measuredLines(session.record), "");
  send(measured(0, 13));
  send({ kind: "growth", step: 5, steps: 5, growth: [0, 1, 1], line: '{"kind":"growth","step":5}' });
  send(measured(10, 14));
  assert.deepEqual(session.record.curvature.map(({ step, lambdaMax }) => [step, lambdaMax]), [[0, 13], [10, 14]]);
  assert.equal(session.record.growth.length, 1);
  assert.equal(measuredLines(session.record), '{"kind":"curvature","step":0}\n{"kind":"growth","step":5}\n{"kind":"curvature","step":10}\n');
  assert.equal(measuredLines(undefined), "");
});

test("chapter 6 has shown its thing once the sharpness was at 2/lr, k = 3 has parted and the control has not", () => {
  const recordWith = (lambdas, apart, differing = 0) => {
    const record = new RunRecord(SHAPE);
    lambdas.forEach((lambda, i) => record.curvature.push(measured(10 * i, lambda)));
    record.addSteps({ kind: "steps", rows: Float64Array.from([1, 0, 0.05, 1, 1, 1, 0, apart, 0, 0, 1, 0, 0, 1, differing, 0, 1, differing, 0, 0, 0]) });
    return record;
  };
  assert.equal(hasShown(recordWith([13, 41, 39], 0.01)), true);
  assert.equal(hasShown(recordWith([13, 39.9], 0.01)), false, "below 2 / 0.05");
  assert.equal(hasShown(recordWith([13, 41], 1e-7)), false, "still together");
  assert.equal(hasShown(recordWith([13, 41], 0.01, 3)), false, "the lamp is red");
  for (const [key, text] of Object.entries(runAt(0.05))) assert.equal(validate(property(key), text), undefined, key);
});

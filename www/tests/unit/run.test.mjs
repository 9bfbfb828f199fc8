import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { Column } = await load("run/columns.ts");
const { floatOf, floatsOf, ulps } = await load("run/floats.ts");
const { lampState, lampText } = await load("run/lamp.ts");
const { RunRecord } = await load("run/record.ts");
const { plain, treatmentsOf } = await load("run/treatments.ts");
const { colourOf, idOf, labelOf, repeatsColour, roleOf, controlsOf } = await load("run/replicas.ts");
const { testAccuracy, testTitle } = await load("run/readout.ts");
const { csv } = await load("lab/share.ts");
const { Session } = await load("run/session.ts");

const SHAPE = { ks: [1, 3, 2], controls: [2], tensors: [{ name: "conv1", shape: [1], measured: true }, { name: "fc", shape: [1], measured: false }] };

/** Rows of steps: `columns` are loss, relL1, maxUlp, differing, differingAnywhere and accuracy, each by replica. */
const steps = (...rows) => ({ kind: "steps", rows: Float64Array.from(rows.flat(2)) });
const row = (step, differing = 0) => [step, 0, 0.1, [2, 2.5, 2], [0, 1e-9, 0], [0, 3, 0], [0, 7, differing], [0, 8, differing], [50, 25, 50]].flat();

test("a column keeps what is pushed beyond its first store", () => {
  const column = new Column();
  assert.equal(column.last(), undefined);
  for (let i = 0; i < 1000; i++) column.push(i);
  assert.equal(column.length, 1000);
  assert.deepEqual([...column.values()], Array.from({ length: 1000 }, (_, i) => i));
  assert.equal(column.last(), 999);
});

test("ulps are counted along the line of all floats, through zero", () => {
  const bits = (value) => new Uint32Array(Float32Array.of(value).buffer)[0];
  assert.equal(floatOf(bits(0.1)), Math.fround(0.1));
  assert.equal(ulps(bits(1), bits(1 + 2 ** -23)), 1);
  assert.equal(ulps(bits(-0), bits(0)), 0);
  assert.equal(ulps(bits(-(2 ** -149)), bits(2 ** -149)), 2);
  assert.deepEqual([...floatsOf(Uint32Array.of(1, 2, bits(3), bits(-4)), 1, 2)], [3, -4]);
});

test("controls are known before the core answers, by its rule", () => {
  assert.deepEqual(controlsOf([1, 3, 2, 1, 64, 5], "divide"), [2, 3, 4]);
  assert.deepEqual(controlsOf([6, 3, 12, 9], "reciprocal"), [1, 2]);
  assert.deepEqual(controlsOf([1, 2, 1], "nextafter"), [2]);
  const of = (values) => controlsOf(values.ks.split(",").map(Number), "divide", treatmentsOf(values));
  assert.deepEqual(of({ ks: "1,2,1,1", perturb: "none,none,5:ulp:1,none" }), [1, 3], "a copy that is perturbed as the first is not is none");
  assert.deepEqual(of({ ks: "1,1,1", perturb: "5:ulp:1,5:ulp:1,5:ulp:1:7" }), [1]);
  assert.deepEqual(of({ ks: "1,1,2", lyapunov: "5", "lyapunov-distances": "0.1,0.01" }), [], "a displaced copy is none");
});

test("perturbed copies have the names that the native program gives them", () => {
  const names = (values) => {
    const shape = { ks: values.ks.split(",").map(Number), controls: [], treatments: treatmentsOf(values) };
    return shape.ks.map((_, r) => [labelOf(shape, r), idOf(shape, r)]);
  };
  // From the report of a native run with these flags.
  assert.deepEqual(names({ ks: "1,1,1,1,1,1", perturb: "none,2:ulp:1,2:gaussian:1e-7,2:scale:0.00125:conv1.weight:7,3:gradient:-2.5e3:9,none" }), [
    ["undisturbed", "undisturbed"],
    ["1 ulp before step 2", "1-ulp-before-step-2"],
    ["gaussian 0.0000001 before step 2", "gaussian-0.0000001-before-step-2"],
    ["one weight times 1 + 1.25e-3 in conv1.weight before step 2, seed 7", "one-weight-times-1-+-1.25e-3-in-conv1.weight-before-step-2-seed-7"],
    ["gradient -2500 before step 3, seed 9", "gradient--2500-before-step-3-seed-9"],
    ["undisturbed (no. 2)", "undisturbed-2"],
  ]);
  assert.deepEqual(names({ ks: "1,3", perturb: "none,2:ulp:1:fc.weight" }), [
    ["k = 1, undisturbed", "k1-undisturbed"],
    ["k = 3, 1 ulp in fc.weight before step 2", "k3-1-ulp-in-fc.weight-before-step-2"],
  ]);
  assert.deepEqual(names({ ks: "1,1,1", lyapunov: "5", "lyapunov-distances": "0.001,0.25" }).map(([label]) => label), ["undisturbed", "at distance 1e-3", "at distance 2.5e-1"]);
  assert.deepEqual(names({ ks: "1,3", perturb: "" }), [["k = 1", "k1"], ["k = 3", "k3"]]);
});

test("numbers are written as Rust writes them", () => {
  assert.deepEqual([1, 0.1, 1e-7, 123.5, -2500, 1.5e21, 0, 100].map(plain), ["1", "0.1", "0.0000001", "123.5", "-2500", "1500000000000000000000", "0", "100"]);
});

test("a run keeps the names of its copies once it has opened", () => {
  globalThis.Worker = class {
    postMessage() {}
  };
  globalThis.requestAnimationFrame = () => 0;
  const session = new Session("processor");
  session.open({ ks: "1,1", perturb: "none,4:ulp:1" });
  const names = () => [0, 1].map((r) => labelOf(session.record, r));
  assert.deepEqual(names(), ["undisturbed", "1 ulp before step 4"], "before the core answers");
  session.engine.worker.onmessage({ data: { run: 1, event: { kind: "opened", ...SHAPE, ks: [1, 1], controls: [] } } });
  assert.equal(session.record.isPending, false);
  assert.deepEqual(names(), ["undisturbed", "1 ulp before step 4"]);
  session.record.addSteps(steps([1, 0, 0.1, ...Array(12).fill(0)]));
  assert.match(csv(session.record), /^step,epoch,lr,loss_undisturbed,loss_1-ulp-before-step-4,/);
});

test("replicas are named and coloured by their role", () => {
  const shape = { ks: [1, 3, 2, 1, 5], controls: [2, 3] };
  const all = (of) => shape.ks.map((_, r) => of(shape, r));
  assert.deepEqual(all(labelOf), ["k = 1", "k = 3", "k = 2", "k = 1 (no. 2)", "k = 5"]);
  assert.deepEqual(all(idOf), ["k1", "k3", "k2", "k1-2", "k5"]);
  assert.deepEqual(all(colourOf), ["ref", "c0", "ctl", "ctl", "c1"]);
  assert.deepEqual(all(roleOf), ["reference", "", "control", "control", ""]);
});

test("no two of ten replicas have the same colour and line", () => {
  const shape = { ks: [1, 3, 5, 7, 9, 11, 13, 15, 17, 19], controls: [] };
  const looks = shape.ks.map((_, r) => `${colourOf(shape, r)} ${repeatsColour(shape, r)}`);
  assert.equal(new Set(looks).size, looks.length);
  assert.deepEqual(looks.slice(-2), ["c7 false", "c0 true"]);
});

test("a record has the columns of its rows, and the layers of its steps", () => {
  const record = new RunRecord(SHAPE);
  assert.deepEqual([record.lastStep(), record.last("loss", 0), record.layerNames], [0, undefined, ["conv1"]]);
  record.addSteps(steps(row(1), row(2)));
  assert.deepEqual([record.lastStep(), record.last("loss", 1), record.last("maxUlp", 1), record.last("accuracy", 2)], [2, 2.5, 3, 50]);
  for (const replica of [0, 1]) record.addLayers({ kind: "layers", step: 2, replica, fingerprint: `f${replica}`, relL1: [replica === 0 ? 0 : null] });
  assert.equal(record.layers.length, 1);
  assert.deepEqual(record.layers[0].fingerprints, ["f0", "f1", undefined]);
  assert.ok(Number.isNaN(record.layers[0].relL1[1][0]), "null is a number that is not finite");
});

test("the lamp turns red at the first step at which a control differs, and stays red", () => {
  const record = new RunRecord(SHAPE);
  assert.equal(lampState(record), "none");
  record.addSteps(steps(row(1)));
  assert.deepEqual([lampState(record), ...lampText("green", record)], ["green", "Control green", "k = 2 equals k = 1 in every bit, as it must."]);
  const many = new RunRecord({ ...SHAPE, ks: Array(256).fill(1), controls: Array.from({ length: 255 }, (_, r) => r + 1) });
  assert.match(lampText("green", many)[1], /^k = 1 \(no. 2\), .*, and 249 more equals/, "many controls are not all named");
  record.addSteps(steps(row(2, 1), row(3)));
  assert.equal(lampState(record), "red");
  assert.match(lampText("red", record)[1], /bits differ from step 2 on/);
  const alone = new RunRecord({ ...SHAPE, ks: [3, 5], controls: [] });
  alone.addSteps(steps([1, 0, 0.1, ...Array(12).fill(0)]));
  assert.equal(lampState(alone), "none");
  assert.deepEqual(lampText("none", alone), ["No control", "Add a second k = 3, or k = 6, to have one."]);
  assert.deepEqual(lampText("none", new RunRecord(SHAPE, true)), ["Control", ""]);
});

test("the lamp says why there is no control, and which change gives one", () => {
  const advice = (ks, perturbation) => lampText("none", new RunRecord({ ks, controls: [], tensors: [] }), perturbation)[1];
  const treated = (treatments) => lampText("none", new RunRecord({ ks: [1, 1], controls: [], tensors: [], treatments }))[1];
  assert.equal(treated([{ kind: "undisturbed" }, { kind: "displaced", distance: 0.1 }]), "Every copy but the first is displaced.");
  assert.match(treated([{ kind: "undisturbed" }, { kind: "perturbed", what: "ulp", step: "4", size: 1 }]), /^Add a copy with the k and the perturbation of the first/);
  assert.equal(advice([3, 5], "divide"), "Add a second k = 3, or k = 6, to have one.");
  assert.equal(advice([63, 5], "divide"), "Add a second k = 63 to have one.", "k = 126 is not allowed");
  assert.equal(advice([1, 3, 2], "nextafter"), "k = 2 is no control here, because every k above 1 moves another weight by one ulp. Add a second k = 1 to have one.");
  assert.equal(advice([1, 3], "nextafter"), "Every k above 1 moves another weight by one ulp. Add a second k = 1 to have a control.");
});

test("right answers say whether they are those of the shown test images or of all", () => {
  const record = new RunRecord({ ...SHAPE, ks: [1, 3], controls: [] });
  const shown = () => [testTitle(record), testAccuracy(record, 1)];
  assert.deepEqual(shown(), ["on test images, %", undefined]);
  record.images = { kind: "images", shape: [1, 1, 1], labels: [4, 5], classes: [], pixels: Uint8Array.of(0, 0) };
  assert.deepEqual(shown(), ["on test images, %", undefined]);
  record.standings.push({ kind: "standing", step: 3, fromStart: null, fromSeed: null, predictions: [[4, 4], [4, 5]] });
  assert.deepEqual(shown(), ["on 2 test images, %", 100]);
  record.epochs.push({ kind: "epoch", epoch: 1, step: 5, testAccuracy: [30, 40] });
  assert.deepEqual(shown(), ["on all test images, %", 40]);
});

test("CSV has a line for each step and a column for each value of each replica", () => {
  const record = new RunRecord({ ...SHAPE, ks: [1, 3], controls: [] });
  record.addSteps(steps([1, 0, 0.1, 2, 2.5, 0, 1e-9, 0, 3, 0, 7, 0, 8, 50, NaN]));
  const columns = ["loss", "rel_l1", "max_ulp", "differing", "differing_anywhere", "accuracy"].flatMap((name) => [`${name}_k1`, `${name}_k3`]);
  assert.equal(csv(record), `step,epoch,lr,${columns}\n1,0,0.1,2,2.5,0,1e-9,0,3,0,7,0,8,50,NaN\n`);
  assert.equal(csv(undefined), "");
});

test("a run that cannot open leaves the record of the run before", () => {
  globalThis.Worker = class {
    postMessage({ run }) {
      this.run = run ?? this.run;
    }
  };
  globalThis.requestAnimationFrame = () => 0;
  const session = new Session("processor");
  const send = (event) => session.engine.worker.onmessage({ data: { run: session.engine.worker.run, event } });
  session.open({ ks: "1,3,2" });
  assert.ok(session.record.isPending);
  send({ kind: "opened", ...SHAPE });
  send(steps(row(1)));
  const before = session.record;
  assert.equal(before.lastStep(), 1);
  session.open({ ks: "1" });
  send({ kind: "error", fault: "out-of-memory", message: "too large" });
  assert.equal(session.record, before);
  assert.equal(session.error.message, "too large");
  // Events of an older run are ignored.
  session.engine.worker.onmessage({ data: { run: 1, event: steps(row(2)) } });
  assert.equal(session.record.lastStep(), 1);
});

test("Start begins a finished run again", () => {
  const commands = [];
  globalThis.Worker = class {
    postMessage(command) {
      commands.push(command);
    }
  };
  globalThis.requestAnimationFrame = () => 0;
  const session = new Session("processor");
  session.open({ ks: "1,3,2", seed: "7" });
  const send = (event) => session.engine.worker.onmessage({ data: { run: 1, event } });
  send({ kind: "opened", ...SHAPE });
  session.start();
  assert.deepEqual(commands.map(({ kind }) => kind).filter((kind) => kind !== "watch"), ["open", "start"]);
  send({ kind: "state", running: false, finished: true });
  session.start();
  assert.deepEqual(commands.slice(-2).map(({ kind }) => kind), ["open", "start"]);
  assert.equal(commands.at(-2).config.seed, 7);
});

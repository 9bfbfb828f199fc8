import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";

import { recordedLayers } from "../../recorded/layers.mjs";
import { load } from "./load.mjs";

const { stepsOf, unpack } = await load("recorded/format.ts");
const { Player } = await load("recorded/player.ts");
const { crossedAt, edgesOf } = await load("run/curvature.ts");
const { hasShown } = await load("lesson/chapter6.ts");

const MOST_KB = 300;

const folder = new URL("../../public/recorded/", import.meta.url);
const files = await Promise.all((await readdir(folder)).map(async (name) => [name.replace(".json.gz", ""), await readFile(new URL(name, folder))]));
const recordings = new Map(files.map(([name, bytes]) => [name, unpack(JSON.parse(gunzipSync(bytes)))]));

test(`all recorded runs together weigh at most ${MOST_KB} KB`, () => {
  assert.deepEqual([...recordings.keys()].sort(), ["edge", "parting", "rate-0.0125", "rate-0.05", "rate-0.2", "rate-0.8"]);
  const bytes = files.reduce((sum, [, { length }]) => sum + length, 0);
  assert.ok(bytes <= MOST_KB * 1000, `${bytes} bytes`);
});

test("every recorded run shows its effect: the control stays at zero, k = 3 parts at high rates only", () => {
  globalThis.requestAnimationFrame = () => 0;
  const parted = { parting: true, "rate-0.8": true, "rate-0.0125": false };
  for (const [name, recording] of recordings) {
    const player = new Player(recording);
    const [three, two] = [3, 2].map((k) => player.record.ks.indexOf(k));
    player.seek(1);
    assert.ok(player.record.last("relL1", three) < 1e-7, name);
    player.seek(player.length);
    const apart = player.record.last("relL1", three);
    if (name in parted) assert.ok(parted[name] ? apart > 0.1 : apart < 1e-3, `${name}: ${apart}`);
    assert.ok(player.record.columns.differing[two].values().every((n) => n === 0), name);
    assert.equal(player.record.firstRed, undefined, name);
  }
});

test("the recorded run of chapter 6 reaches 2/lr, and k = 3 parts after that", () => {
  const player = new Player(recordings.get("edge"));
  assert.deepEqual(player.values, { optimizer: "sgd", momentum: "0", nesterov: "true" });
  assert.deepEqual(player.record.curvature.map(({ step }) => step), [0], "measured before the first step");
  const crossed = crossedAt(recordings.get("edge").curvature, edgesOf(player.values));
  assert.ok(crossed > 50 && crossed < 150, String(crossed));
  player.seek(crossed);
  assert.deepEqual(player.record.curvature.at(-1).step, crossed);
  const three = player.record.ks.indexOf(3);
  assert.ok(player.record.last("relL1", three) < 1e-5);
  player.seek(player.length);
  assert.ok(hasShown(player.record));
  player.seek(15);
  assert.deepEqual(player.record.curvature.map(({ step }) => step), [0, 10]);
});

test("a player shows the same after any way to a step", () => {
  const recording = recordings.get("parting");
  const [direct, indirect] = [new Player(recording), new Player(recording)];
  direct.seek(20);
  for (const step of [3, 90, 7, 20]) indirect.seek(step);
  assert.equal(indirect.position, 20);
  assert.deepEqual(indirect.record, direct.record);
  indirect.seek(1e9);
  assert.ok(indirect.finished);
  indirect.step();
  assert.equal(indirect.position, indirect.length);
  indirect.seek(-1);
  assert.equal(indirect.record.lastStep(), 0);
});

test("recorded bits are exact: all replicas start equal, and k = 2 stays equal", () => {
  const { snapshots, opened } = recordings.get("parting");
  const [three, two] = [3, 2].map((k) => opened.ks.indexOf(k));
  const replica = (bits, r) => bits.subarray((r * bits.length) / opened.ks.length, ((r + 1) * bits.length) / opened.ks.length);
  assert.equal(snapshots[0].step, 0);
  for (const { step, bits: tensors } of snapshots) {
    for (const bits of tensors.values()) {
      assert.deepEqual(replica(bits, two), replica(bits, 0), `step ${step}`);
      if (step === 0) assert.deepEqual(replica(bits, three), replica(bits, 0));
    }
  }
  const last = [...snapshots.at(-1).bits.values()].some((bits) => replica(bits, three).some((word, i) => word !== bits[i]));
  assert.ok(last, "k = 3 differs at the end");
});

test("rows are joined in their order", () => {
  assert.deepEqual([...stepsOf([Float64Array.of(1, 2), Float64Array.of(3, 4)]).rows], [1, 2, 3, 4]);
  assert.deepEqual([...stepsOf([]).rows], []);
});

test("a recorded run has the bits of the traced weight at every step that the program logged", () => {
  const line = { kind: "layers", step: 3, replica: 1, k: 3, fingerprint: "00ff", rel_l1: { "conv1.weight": 0.123456 } };
  assert.deepEqual(recordedLayers(line), { step: 3, replica: 1, fingerprint: "00ff", relL1: [0.123] }, "an older program");
  const layers = recordedLayers({ ...line, weight: "bd8a7f21" });
  assert.deepEqual(layers, { step: 3, replica: 1, fingerprint: "00ff", weight: 0xbd8a7f21, relL1: [0.123] });
  // Without it, the bits come from the snapshots, if they have that step.
  const { file, snapshots } = recordings.get("parting");
  const at = file.tensors[0].steps[1];
  const [logged] = file.layers.filter(({ step, replica }) => step === at && replica === 1);
  const weights = (lines) => unpack({ ...file, layers: lines }).layers.map(({ weight }) => weight);
  const bits = snapshots.find(({ step }) => step === at).bits.get("conv1.weight");
  assert.deepEqual(weights([logged, { ...logged, step: 3 }, { ...logged, weight: 7 }]), [bits[bits.length / file.ks.length], undefined, 7]);
});

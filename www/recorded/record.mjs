// node www/recorded/record.mjs LASTBIT [NAME...]: trains the runs of runs.mjs with the native program and writes each as one
// compact file into www/public/recorded/, for browsers without WebGPU. LASTBIT is the program. It must find CIFAR-10 in its
// default folder, or in the --data-dir of $LASTBIT_FLAGS. $LASTBIT_RUNS is a folder that keeps the run folders; finished runs
// in it are not repeated. The format is that of www/src/recorded/format.ts.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { all, recordedLayers } from "./layers.mjs";
import { RUNS } from "./runs.mjs";

const OUT = fileURLToPath(new URL("../public/recorded/", import.meta.url));

/** Trains up to each step whose weights are wanted. A longer run has the same bits up to that step. */
function train(program, { flags, watch }, steps, folder) {
  const extra = (process.env.LASTBIT_FLAGS ?? "").split(" ").filter(Boolean);
  const snapshots = [];
  for (const step of steps) {
    const length = ["--steps", String(step), "--out", folder, "--resume", "--quiet"];
    const checkpoint = join(folder, "checkpoint", `step-${String(step).padStart(6, "0")}`);
    const isThere = watch.length > 0 ? existsSync(checkpoint) : reaches(folder, step);
    if (!isThere) {
      execFileSync(program, ["train", ...flags, ...extra, ...length], { stdio: ["ignore", "inherit", "inherit"] });
    }
    if (watch.length === 0) continue;
    const files = readdirSync(checkpoint).filter((name) => /^r\d+-k\d+\./.test(name));
    files.sort((a, b) => Number.parseInt(a.slice(1), 10) - Number.parseInt(b.slice(1), 10));
    snapshots.push({ step, replicas: files.map((name) => tensorsOf(join(checkpoint, name))) });
  }
  return snapshots;
}

/** The lines of a run's metrics.jsonl, parsed. */
function metricsOf(folder) {
  const text = readFileSync(join(folder, "metrics.jsonl"), "utf8").trim();
  return text.split("\n").map((line) => JSON.parse(line));
}

/** Whether the kept run in `folder` reaches `step`. */
function reaches(folder, step) {
  return existsSync(join(folder, "summary.json")) && metricsOf(folder).some((line) => line.step === step);
}

/** Shapes and bytes of a safetensors file, by name. */
function tensorsOf(path) {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const { __metadata__: _, ...header } = JSON.parse(file.subarray(8, 8 + length).toString());
  const data = file.subarray(8 + length);
  return new Map(
    Object.entries(header).map(([name, { shape, data_offsets: [from, to] }]) => [
      name,
      { shape, bytes: data.subarray(from, to) },
    ]),
  );
}

/**
 * Bits of one tensor in all replicas: the first as it is, the others xor the first; of each, byte 3 of all elements, then
 * byte 2, and so on. Equal bytes are then neighbours, which gzip compresses well.
 */
function packed(tensors) {
  const first = tensors[0];
  const parts = tensors.map((bytes, replica) => {
    const plane = Buffer.alloc(bytes.length);
    const n = bytes.length / 4;
    for (let i = 0; i < n; i++) {
      for (let b = 0; b < 4; b++) {
        plane[(3 - b) * n + i] = bytes[4 * i + b] ^ (replica === 0 ? 0 : first[4 * i + b]);
      }
    }
    return plane;
  });
  return Buffer.concat(parts).toString("base64");
}

function record(program, run) {
  const { name, title, flags, watch, snapshots } = run;
  const kept = process.env.LASTBIT_RUNS;
  const folder = kept === undefined ? mkdtempSync(join(tmpdir(), "lastbit-record-")) : join(kept, name);
  try {
    const weights = train(program, run, snapshots, folder);
    const last = snapshots.at(-1);
    const lines = metricsOf(folder).filter(({ step }) => step <= last);
    const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
    const summary = JSON.parse(readFileSync(join(folder, "summary.json"), "utf8"));
    const of = (kind) => lines.filter((line) => line.kind === kind);
    const layers = of("layers");
    checkControls(name, summary, layers);
    const start = tensorsOf(join(folder, "init.safetensors"));
    const ks = summary.ks;
    const file = {
      title,
      command: `lastbit train ${flags.join(" ")} --steps ${last}`,
      version: manifest.environment.version,
      adapter: manifest.environment.adapter,
      driver: manifest.environment.driver,
      network: manifest.network.name,
      parameters: manifest.network.parameters,
      ks,
      controls: summary.control?.replicas.map(({ replica }) => replica) ?? [],
      stepsPerEpoch: summary.steps_per_epoch,
      convolutions: Object.keys(layers[0].rel_l1),
      epochs: of("step").map(({ epoch }) => epoch),
      lr: of("step").map(({ lr }) => lr),
      loss: of("step").map(({ loss }) => all(loss)),
      relL1: of("step").map(({ rel_l1 }) => all(rel_l1)),
      maxUlp: of("step").map(({ max_ulp }) => max_ulp),
      differing: of("step").map(({ differing }) => differing),
      layers: layers.map(recordedLayers),
      evaluations: of("epoch").map((line) => ({
        epoch: line.epoch,
        step: line.step,
        trainLoss: all(line.train_loss),
        trainAccuracy: all(line.train_accuracy),
        testLoss: all(line.test_loss),
        testAccuracy: all(line.test_accuracy),
      })),
      ...curvatureOf(of("curvature"), manifest.config),
      tensors: watch.map((tensor) => ({
        name: tensor,
        shape: start.get(tensor).shape,
        steps: [0, ...snapshots],
        bits: [
          packed(ks.map(() => start.get(tensor).bytes)),
          ...weights.map(({ replicas }) => packed(replicas.map((tensors) => tensors.get(tensor).bytes))),
        ],
      })),
    };
    mkdirSync(OUT, { recursive: true });
    const bytes = gzipSync(JSON.stringify(file), { level: 9 });
    writeFileSync(join(OUT, `${name}.json.gz`), bytes);
    console.log(`${name}: ${lines.length} lines, ${(bytes.length / 1024).toFixed(1)} KiB`);
  } finally {
    if (kept === undefined) rmSync(folder, { recursive: true });
  }
}

/** What was measured of the curvature, with the settings that its edge depends on; nothing if it was not measured. */
function curvatureOf(lines, config) {
  if (lines.length === 0) return {};
  const setting = (key) => [key, String(JSON.parse(config[key]))];
  return {
    settings: Object.fromEntries(["optimizer", "momentum", "nesterov"].map(setting)),
    curvature: lines.map(({ step, lr, lambda_max, batch_sharpness, batch_sharpness_error }) => {
      const [lambdaMax, batchSharpness, batchSharpnessError] = all([lambda_max, batch_sharpness, batch_sharpness_error]);
      return { step, lr, lambdaMax, batchSharpness, batchSharpnessError };
    }),
  };
}

/** Throws if a control differs anywhere: such a recording would teach the wrong thing. */
function checkControls(name, summary, layers) {
  const at = (step, replica) => layers.find((line) => line.step === step && line.replica === replica);
  for (const { replica } of summary.control?.replicas ?? []) {
    const ofControl = layers.filter((line) => line.replica === replica);
    const equal = ofControl.every(({ step, fingerprint }) => fingerprint === at(step, 0).fingerprint);
    if (!equal || !summary.control.green) throw new Error(`${name}: control ${replica} differs from the first replica`);
  }
}

const [program, ...names] = process.argv.slice(2);
if (program === undefined) {
  console.error(`usage: node ${basename(process.argv[1])} LASTBIT [${RUNS.map(({ name }) => name).join("|")} ...]`);
  process.exit(2);
}
for (const run of RUNS.filter(({ name }) => names.length === 0 || names.includes(name))) record(program, run);

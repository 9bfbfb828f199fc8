// Compares a run of the native program with the same run in the browser, step by step: on one driver, and on the processor.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { openSite } from "./site.mjs";

/** Steps of each backend: SwiftShader takes a second for one. */
const STEPS = { webgpu: 4, processor: 12 };
const runOf = (backend) => ({ net: "resnet8", width: "0.5", dataset: "synthetic", ks: "1,3,2", "batch-size": "4", "train-limit": "512", "test-limit": "4", steps: String(STEPS[backend]), "log-every": "1" });

/** What the page computes with, and the environment in which the native program does the same. */
const BACKENDS = {
  // A browser passes WGSL to its driver; the native program would pass SPIR-V.
  webgpu: (site) => ({ LASTBIT_WGSL: "1", LASTBIT_ADAPTER: "SwiftShader", ...(site.driver ? { VK_DRIVER_FILES: site.driver } : {}) }),
  processor: () => ({ LASTBIT_ADAPTER: "processor:separate" }),
};

/** Runs the native program on the same device; resolves when it has ended. */
function train(site, backend, out) {
  const flags = Object.entries(runOf(backend)).flatMap(([key, value]) => [`--${key}`, value]);
  const env = { ...process.env, ...BACKENDS[backend](site) };
  const child = spawn(site.lastbit, ["train", ...flags, "--decay-every", "0", "--quiet", "--out", out], { env, stdio: ["ignore", "inherit", "inherit"] });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`lastbit exits with ${code}`))));
  });
}

const site = await openSite();

for (const backend of Object.keys(BACKENDS)) test(`${backend}: browser and native program give the same bits`, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "lastbit-"));
  try {
    const out = join(folder, "run");
    await train(site, backend, out);
    const lines = (await readFile(join(out, "metrics.jsonl"), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
    const key = ({ step, replica, fingerprint }) => `step ${step}, replica ${replica}: ${fingerprint}`;
    const natively = lines.filter(({ kind }) => kind === "layers").map(key);
    assert.equal(natively.length, STEPS[backend] * 3);
    await site.visit(`?backend=${backend}#/lab?${new URLSearchParams(runOf(backend))}`, async (shown, page) => {
      await page.waitForFunction(() => window.events.some(({ kind, finished }) => kind === "state" && finished));
      const inBrowser = (await page.evaluate(() => window.events.filter(({ kind }) => kind === "layers"))).map(key);
      t.diagnostic(`fingerprints equal for ${natively.findIndex((line, i) => line !== inBrowser[i]) + 1 || natively.length} of ${natively.length} lines`);
      assert.deepEqual(inBrowser, natively);
      assert.match(await shown.text("command"), new RegExp(`--steps ${STEPS[backend]} `));
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

// node www/tests/bench.mjs CHROMIUM LASTBIT [DRIVER]: what docs/RESULTS.md says of the page, measured anew and printed; for
// `cargo xtask bench --web`. No assertion: machines differ. Times are wall and processor time (the latter is what counts
// on a busy machine): of the native program, and of all processes of the browser.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { launch } from "./chromium.mjs";
import { serve } from "./server.mjs";
import { fakeEngine } from "./site/fake_engine.mjs";
import { listen } from "./site/site.mjs";

const RUN = { net: "resnet8", width: "0.5", dataset: "synthetic", ks: "1,3,2", "batch-size": "4", "train-limit": "512", "test-limit": "4" };
/** Steps between which the speed is taken. */
const [FROM, TO] = [5, Number(process.env.BENCH_STEPS ?? 45)];
const ONE_LAYER_STEPS = Number(process.env.BENCH_ONE_LAYER ?? 10_000);
const RECORDED_STEPS = 50_000;
/** Of a kernel's clock tick, in which /proc counts. */
const TICK_MS = 10;

const [chromium, lastbit, driver] = process.argv.slice(2);
const { server, url } = await serve({ "/": fileURLToPath(new URL("../dist", import.meta.url)) });
const browser = await launch(chromium);
const cdp = await browser.newBrowserCDPSession();

/** Processor milliseconds and resident bytes of a process, where /proc tells. */
async function usage(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { cpu: (Number(fields[11]) + Number(fields[12])) * TICK_MS || 0, resident: Number(fields[21]) * 4096 || 0 };
}

async function usageOfBrowser() {
  const { processInfo } = await cdp.send("SystemInfo.getProcessInfo");
  const all = await Promise.all(processInfo.map(async ({ id, type }) => ({ type, ...(await usage(id)) })));
  const sum = (key, kind) => all.filter(({ type }) => kind === undefined || type === kind).reduce((total, one) => total + one[key], 0);
  return { cpu: sum("cpu"), gpu: sum("resident", "GPU"), renderer: sum("resident", "renderer") };
}

async function open(address, script, argument) {
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  await page.addInitScript(script, argument);
  await page.goto(url + address);
  return page;
}

const stepReached = (page, step) =>
  page.waitForFunction((at) => Number(document.querySelector("[data-testid=step]")?.textContent) >= at, step);

/** Milliseconds of wall and processor time for a step in the browser, and when the first was on screen. */
async function inBrowser() {
  const { cpu } = await usageOfBrowser();
  const page = await open(`#/lab?${new URLSearchParams(RUN)}`, listen);
  const opened = await page.waitForFunction(() => window.told.find(({ kind }) => kind === "steps")?.at);
  const worked = ((await usageOfBrowser()).cpu - cpu) / 1000;
  console.log(`first divergence point: ${((await opened.jsonValue()) / 1000).toFixed(1)} s after load, ${worked.toFixed(1)} s of processor time`);
  await stepReached(page, FROM);
  const before = { wall: performance.now(), ...(await usageOfBrowser()) };
  await stepReached(page, TO);
  const after = { wall: performance.now(), ...(await usageOfBrowser()) };
  await page.close();
  return { wall: (after.wall - before.wall) / (TO - FROM), cpu: (after.cpu - before.cpu) / (TO - FROM) };
}

/** The same natively. */
async function natively() {
  const folder = await mkdtemp(join(tmpdir(), "lastbit-"));
  const flags = Object.entries(RUN).flatMap(([key, value]) => [`--${key}`, value]);
  const env = { ...process.env, ...(driver ? { VK_DRIVER_FILES: driver } : {}) };
  const child = spawn(lastbit, ["train", ...flags, "--decay-every", "0", "--steps", String(TO), "--json", "--out", join(folder, "run")], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const at = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const { kind, step } = JSON.parse(line);
    if (kind === "step" && (step === FROM || step === TO)) at[step] = { wall: performance.now(), ...(await usage(child.pid)) };
  }
  await rm(folder, { recursive: true });
  return { wall: (at[TO].wall - at[FROM].wall) / (TO - FROM), cpu: (at[TO].cpu - at[FROM].cpu) / (TO - FROM) };
}

/** Frames a second while a run of many steps grows, without a GPU: the worker is replaced by one that makes numbers up. */
async function frames() {
  const page = await open("#/lab?ks=1,3,2", fakeEngine, { steps: RECORDED_STEPS });
  await stepReached(page, RECORDED_STEPS);
  const rate = await page.evaluate(async () => {
    const started = performance.now();
    let frames = 0;
    while (performance.now() - started < 5000) {
      await new Promise(requestAnimationFrame);
      frames++;
    }
    return (frames / (performance.now() - started)) * 1000;
  });
  await page.close();
  console.log(`${RECORDED_STEPS} recorded steps, one more every 16 ms: ${rate.toFixed(0)} frames/s`);
}

/** Memory while the one-layer network trains. */
async function memory() {
  const page = await open("#/lab?net=one-layer&ks=1,3", listen);
  const marks = [0.1, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * ONE_LAYER_STEPS));
  for (const step of marks) {
    await stepReached(page, step);
    const { gpu, renderer } = await usageOfBrowser();
    console.log(`one layer, step ${step}: page and worker ${(renderer / 2 ** 20).toFixed(0)} MiB, GPU process ${(gpu / 2 ** 20).toFixed(0)} MiB`);
  }
  await page.close();
}

const here = await inBrowser();
const there = await natively();
const show = ({ wall, cpu }) => `${wall.toFixed(0)} ms a step (${cpu.toFixed(0)} ms of processor time)`;
console.log(`browser: ${show(here)}\nnative:  ${show(there)}`);
console.log(`throughput in the browser: ${(there.wall / here.wall).toFixed(2)} of native (${(there.cpu / here.cpu).toFixed(2)} by processor time)`);
await frames();
await memory();
await browser.close();
server.close();
process.exit(0);

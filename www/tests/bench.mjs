// node www/tests/bench.mjs CHROMIUM LASTBIT [DRIVER]: measures and prints what docs/RESULTS.md says about the page, for
// `cargo xtask bench --web`. Machines differ, so it asserts only that memory stays flat. Times are wall and processor time (the
// latter is what counts on a busy machine) of the native program, and of all processes of the browser.
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
const BACKENDS = ["webgpu", "processor"];
/** Steps between which the speed is measured. */
const [FROM, TO] = [5, Number(process.env.BENCH_STEPS ?? 45)];
/** From `--memory-steps N`: measures memory alone, over N steps. */
const MEMORY_STEPS = process.env.BENCH_MEMORY_STEPS;
const ONE_LAYER_STEPS = Number(MEMORY_STEPS ?? 10_000);
const MEMORY_EVERY = 1000;
/** Growth that counts as flat, as a share and in MiB: the record of a run grows by a hundred bytes a step, heaps go up and down. */
const [GROWTH, LEAST_GROWTH_MIB] = [0.05, 8];
const RECORDED_STEPS = 50_000;
/** Milliseconds of the kernel's clock tick, in which /proc counts. */
const TICK_MS = 10;

const [chromium, lastbit, driver] = process.argv.slice(2);
const { server, url } = await serve({ "/": fileURLToPath(new URL("../dist", import.meta.url)) });
const browser = await launch(chromium);
const cdp = await browser.newBrowserCDPSession();

/** Processor milliseconds and resident bytes of a process, from /proc; 0 where there is none. */
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

/** Milliseconds of wall and processor time for a step in the browser. Prints when the first step arrived. */
async function inBrowser(backend) {
  const { cpu } = await usageOfBrowser();
  const page = await open(`?backend=${backend}#/lab?${new URLSearchParams(RUN)}`, listen);
  const opened = await page.waitForFunction(() => window.events.find(({ kind }) => kind === "steps")?.at);
  const worked = ((await usageOfBrowser()).cpu - cpu) / 1000;
  console.log(`${backend}: first divergence point: ${((await opened.jsonValue()) / 1000).toFixed(1)} s after load, ${worked.toFixed(1)} s of processor time`);
  await stepReached(page, FROM);
  const before = { wall: performance.now(), ...(await usageOfBrowser()) };
  await stepReached(page, TO);
  const after = { wall: performance.now(), ...(await usageOfBrowser()) };
  await page.close();
  return { wall: (after.wall - before.wall) / (TO - FROM), cpu: (after.cpu - before.cpu) / (TO - FROM) };
}

/** The same for the native program on the same device. */
async function natively(backend) {
  const folder = await mkdtemp(join(tmpdir(), "lastbit-"));
  const flags = Object.entries(RUN).flatMap(([key, value]) => [`--${key}`, value]);
  const software = { LASTBIT_WGSL: "1", ...(driver ? { VK_DRIVER_FILES: driver, LASTBIT_ADAPTER: "SwiftShader" } : {}) };
  const env = { ...process.env, ...(backend === "webgpu" ? software : { LASTBIT_ADAPTER: "processor:separate" }) };
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

/** Prints the frames a second while a run of many steps grows. No GPU is used: a fake worker makes the numbers up. */
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

/** Memory of a page and its worker, in MiB: the heaps of their scripts, the core's memory, and the processes. */
async function held(page, inWorker) {
  const heap = async (send) => (await send("Runtime.getHeapUsage")).usedSize;
  const session = await page.context().newCDPSession(page);
  const script = (await heap((method) => session.send(method))) + (await heap(inWorker));
  await session.detach();
  const { result } = await inWorker("Runtime.evaluate", { expression: "WebAssembly.Memory.prototype" });
  const { objects } = await inWorker("Runtime.queryObjects", { prototypeObjectId: result.objectId, objectGroup: "held" });
  const functionDeclaration = "function () { return this.reduce((sum, { buffer }) => sum + buffer.byteLength, 0); }";
  const { result: core } = await inWorker("Runtime.callFunctionOn", { objectId: objects.objectId, functionDeclaration, returnByValue: true });
  await inWorker("Runtime.releaseObjectGroup", { objectGroup: "held" });
  const { gpu, renderer } = await usageOfBrowser();
  return Object.fromEntries(Object.entries({ script, core: core.value, renderer, gpu }).map(([key, bytes]) => [key, bytes / 2 ** 20]));
}

/** Returns a function that calls the debugger of the page's only worker, which is a separate target. */
async function debuggerOfWorker(page) {
  const session = await page.context().newCDPSession(page);
  const attached = new Promise((resolve) => session.once("Target.attachedToTarget", resolve));
  await session.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  const { sessionId } = await attached;
  const waiting = new Map();
  session.on("Target.receivedMessageFromTarget", ({ message }) => {
    const { id, result, error } = JSON.parse(message);
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error === undefined) resolve?.(result);
    else reject?.(new Error(error.message));
  });
  let calls = 0;
  return async (method, params = {}) => {
    const id = ++calls;
    const answer = new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
    await session.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id, method, params }) });
    return answer;
  };
}

/** Prints the memory while the one-layer network trains, and whether it stays flat, by a straight line through the samples. */
async function memory(backend) {
  const page = await open(`?backend=${backend}#/lab?net=one-layer&ks=1`, listen);
  await stepReached(page, 1);
  const inWorker = await debuggerOfWorker(page);
  const every = Math.min(MEMORY_EVERY, Math.ceil(ONE_LAYER_STEPS / 10));
  const samples = [];
  for (let step = every; step <= ONE_LAYER_STEPS; step += every) {
    await stepReached(page, step);
    const now = await held(page, inWorker);
    samples.push(now);
    const [script, core, renderer, gpu] = [now.script, now.core, now.renderer, now.gpu].map((size) => size.toFixed(1));
    console.log(`${backend}: one layer, step ${step}, MiB: scripts ${script}, core ${core}, page's process ${renderer}, GPU process ${gpu}`);
  }
  await page.close();
  for (const key of Object.keys(samples[0])) {
    const growth = slope(samples.map((now) => now[key])) * (samples.length - 1);
    const mayGrow = Math.max(LEAST_GROWTH_MIB, GROWTH * samples[0][key]);
    const isFlat = growth <= mayGrow;
    if (!isFlat) process.exitCode = 1;
    console.log(`${key}: ${growth.toFixed(1)} MiB more from the first sample to the last: ${isFlat ? "flat" : `grows (more than ${mayGrow.toFixed(0)} MiB)`}`);
  }
}

/** Slope of the straight line that fits `values` best, per index. */
function slope(values) {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const spread = values.reduce((sum, _, i) => sum + (i - middle) ** 2, 0);
  return spread === 0 ? 0 : values.reduce((sum, value, i) => sum + (i - middle) * (value - mean), 0) / spread;
}

/** Prints the speed of the page and of the native program. */
async function speed(backend) {
  const here = await inBrowser(backend);
  const there = await natively(backend);
  const show = ({ wall, cpu }) => `${wall.toFixed(1)} ms a step (${cpu.toFixed(1)} ms of processor time)`;
  console.log(`${backend}: browser: ${show(here)}\n${backend}: native:  ${show(there)}`);
  console.log(`${backend}: throughput in the browser: ${(there.wall / here.wall).toFixed(2)} of native (${(there.cpu / here.cpu).toFixed(2)} by processor time)`);
}

if (MEMORY_STEPS === undefined) {
  for (const backend of BACKENDS) await speed(backend);
  await frames();
}
for (const backend of BACKENDS) await memory(backend);
await browser.close();
server.close();
process.exit();

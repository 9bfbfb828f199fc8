// The worker of runs: the core as WebAssembly, one run, and the loop that advances it. It also runs in hidden tabs, because nothing
// in it waits for a frame; only a run with a pace waits for a timer, which browsers may slow down there. Commands are executed in order,
// between two pieces of work.
import type { Events, Lab } from "../pkg/processor/lastbit_web";
import type { LiveBackend } from "./backend";
import { compileCore, type Core, loadCore } from "./core";
import { needsNudges, nudgeMaps } from "./nudge";
import { SliceQueue } from "./slice_queue";
import type { Team } from "./team";
import { describe, PROCESSOR } from "./webgpu";
import type {
  CertifyEvent, Command, CurvatureEvent, Data, DataFile, EngineEvent, Epoch, Fault, GrowthEvent, Layers, Opened, Standing, Tensors, TestImages, WatchedRange,
} from "./messages";

/** Milliseconds between two looks at where the copies stand: this many times what a look takes, within bounds. */
const STANDING_SHARE = 12;
const [STANDING_LEAST_MS, STANDING_MOST_MS] = [1000, 3000];
/** Milliseconds of work between two checks for commands, and between two messages to the page. */
const SLICE_MS = 25;

let backend: LiveBackend;
let compiled: Promise<WebAssembly.Module>;
let loaded: Promise<Core>;
let lab: Lab | undefined;
let team: Team | undefined;
let run = 0;
let isOpen = false;
let running = false;
/** Milliseconds that a step takes at least, so that the eye can follow a fast device; 0 for none. */
let leastMs = 0;
let replicas = 1;
let watched: WatchedRange[] = [];
/** Whether the page shows where the copies stand, the time of the next look, and the step of the last. */
let observed = false;
let nextStanding = 0;
let stoodAt = -1;

function post(event: EngineEvent, transfer: Transferable[] = []): void {
  postMessage({ run, event }, { transfer });
}

function postState(finished = false): void {
  post({ kind: "state", running, finished });
}

const FAULTS: readonly string[] = ["config", "data", "device-lost", "out-of-memory", "gpu", "load"] satisfies Fault[];

function fail(error: unknown): void {
  const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
  if (name === "RuntimeError") {
    // A panic: the console shows where, and the core cannot be called any more.
    post({ kind: "error", fault: "load", message: `the core stopped (${message}): reload the page` });
  } else {
    post({ kind: "error", fault: FAULTS.includes(name) ? (name as Fault) : "gpu", message });
  }
  // A refused command or file does not stop a run.
  if (isOpen && (name === "config" || name === "data")) return;
  running = isOpen = false;
  postState();
}

/** Calls of the core, one at a time. */
const queue = new SliceQueue(fail);

async function core(): Promise<Lab> {
  const { Lab } = await loaded;
  return (lab ??= new Lab());
}

/** Sends the events of a piece of work to the page. Returns whether the run is finished. */
function postEvents(events: Events): boolean {
  const { finished } = events;
  const rows = events.rows() as Float64Array<ArrayBuffer>;
  if (rows.length > 0) post({ kind: "steps", rows }, [rows.buffer]);
  const others = events.others();
  if (others !== "") for (const event of JSON.parse(others) as (Layers | Epoch | CurvatureEvent | GrowthEvent)[]) post(event);
  const step = events.peeked_step();
  if (step !== undefined) post(tensors(step, events.peeked()));
  events.free();
  return finished;
}

function tensors(step: number, bits: Uint32Array): Tensors {
  let at = 0;
  const ranges = watched.map((range) => {
    const start = at;
    at += range.count * replicas;
    return { ...range, bits: bits.subarray(start, at) };
  });
  return { kind: "tensors", step, ranges };
}

/** Trains until paused or finished. Each slice is queued separately, so that commands run in between. */
function train(): void {
  queue.addSlice(async () => {
    if (!running || lab === undefined) return;
    const begun = performance.now();
    if (postEvents(leastMs === 0 ? await lab.advance(SLICE_MS) : await lab.step())) {
      running = false;
      await postStanding(lab);
      postState(true);
      return;
    }
    if (performance.now() >= nextStanding) await postStanding(lab);
    const rest = leastMs - (performance.now() - begun);
    if (rest > 1) await new Promise((resolve) => setTimeout(resolve, rest));
    else await yieldToCommands();
    train();
  });
}

/** Sends the page where the copies stand, if it wants to know and a step has been taken since. */
async function postStanding(here: Lab): Promise<void> {
  if (!observed) return;
  const started = performance.now();
  const standing = JSON.parse(await here.standing()) as Standing;
  if (standing.step > 0 && standing.step !== stoodAt) post(standing);
  stoodAt = standing.step;
  const ended = performance.now();
  nextStanding = ended + Math.min(Math.max(STANDING_SHARE * (ended - started), STANDING_LEAST_MS), STANDING_MOST_MS);
}

const channel = new MessageChannel();

/** Handles messages that arrived during a slice: a message to oneself queues behind them, and no timer delays it. */
function yieldToCommands(): Promise<void> {
  return new Promise((resolve) => {
    channel.port1.onmessage = () => resolve();
    channel.port2.postMessage(undefined);
  });
}

async function open({ run: number, config, cores }: Extract<Command, { kind: "open" }>): Promise<void> {
  running = isOpen = false;
  run = number;
  const [here, text] = [await core(), JSON.stringify(config)];
  const teams = backend === "processor" ? await import("./team") : undefined;
  const sizeFor = (replicas: number): number => teams?.teamSize(replicas, cores) ?? 1;
  const opened = JSON.parse(await here.open(text, sizeFor(Infinity) > 1)) as Opened;
  const size = (opened.workers = sizeFor(opened.ks.length));
  if (teams !== undefined && size > 1) {
    team ??= new teams.Team(await compiled);
    team.open(size, text, here.outline());
    here.divide(size, team);
  }
  opened.adapter = { ...opened.adapter, ...(await adapter()) };
  replicas = opened.ks.length;
  watched = [];
  observed = false;
  nextStanding = 0;
  stoodAt = -1;
  isOpen = true;
  post(opened);
  postState();
}

/** The adapter as people call it: the processor, or a GPU as the browser describes it, which wgpu does not pass on. */
async function adapter(): Promise<{ name: string; software: boolean } | undefined> {
  if (backend === "processor") return { name: PROCESSOR, software: true };
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  return adapter === null ? undefined : describe(adapter.info);
}

async function addFiles(files: DataFile[]): Promise<void> {
  const here = await core();
  const arrived: Data["files"] = [];
  let refused: unknown;
  for (const { name, bytes } of files) {
    try {
      arrived.push(...(JSON.parse(here.add_file(name, new Uint8Array(bytes))) as Data["files"]));
    } catch (error) {
      refused ??= error;
    }
  }
  const missing = Object.fromEntries(arrived.map(({ dataset }) => [dataset, here.missing(dataset)]));
  const origins = Object.fromEntries(arrived.map(({ dataset }) => [dataset, undefined as string | undefined]));
  for (const dataset of Object.keys(origins)) origins[dataset] = here.origin(dataset);
  // The good files are kept even if another one is refused.
  if (arrived.length > 0) post({ kind: "data", files: arrived, missing, origins });
  if (refused !== undefined) throw refused;
}

/** The quick form of a certification, whose steps wait for the device and so never block this worker. */
async function certifyDevice(): Promise<void> {
  const { certify } = await loaded;
  const found = backend === "processor" ? { name: "processor:separate", software: true } : await adapter();
  const { name, software } = found ?? { name: "unnamed adapter", software: false };
  const today = new Date().toISOString().slice(0, 10);
  const json = await certify(name, navigator.userAgent, software, today, (text: string) => {
    const event = JSON.parse(text) as CertifyEvent;
    post(event.kind === "arithmetic" ? { ...event, adapter: name } : event);
  });
  post({ kind: "certificate", json });
}

function execute(command: Command): Promise<void> | void {
  switch (command.kind) {
    case "open":
      return open(command);
    case "close":
      running = isOpen = false;
      lab?.close();
      return;
    case "data":
      return addFiles(command.files);
    case "certify":
      return certifyDevice();
  }
  if (lab === undefined || !isOpen) return;
  const here = lab;
  switch (command.kind) {
    case "start":
      if (running) return;
      running = true;
      leastMs = command.pace === undefined ? 0 : 1000 / command.pace;
      postState();
      train();
      return;
    case "pause":
      if (!running) return;
      running = false;
      return here.settle().then(async (events) => {
        postEvents(events);
        await postStanding(here);
        postState();
      });
    case "step":
      running = false;
      return here.step().then(async (events) => {
        const finished = postEvents(events);
        await postStanding(here);
        postState(finished);
      });
    case "observe": {
      observed = true;
      const pixels = here.test_pixels() as Uint8Array<ArrayBuffer>;
      post({ ...(JSON.parse(here.test_images()) as TestImages), pixels }, [pixels.buffer]);
      return;
    }
    case "set-lr":
      post({ kind: "changed", what: "lr", step: here.set_lr(command.lr), lr: command.lr });
      return;
    case "flip-bit": {
      const { flip } = command;
      return here
        .flip_bit(flip.tensor, flip.index, flip.replica, flip.step)
        .then((step) => post({ kind: "changed", what: "flip-bit", step, flip }));
    }
    case "watch":
      watched = command.ranges;
      here.watch(
        watched.map(({ tensor }) => tensor),
        Uint32Array.from(watched, ({ first }) => first),
        Uint32Array.from(watched, ({ count }) => count),
      );
      return;
  }
}

/** Answers the commands of an engine, computing with `chosen`. */
export function serveRuns(chosen: LiveBackend): void {
  backend = chosen;
  if (backend === "webgpu" && "GPUAdapter" in self && needsNudges(navigator.userAgent)) nudgeMaps();
  compiled = compileCore(backend);
  loaded = loadCore(backend, compiled);
  // An error is reported by `core`, when the core is needed.
  loaded.catch(() => undefined);
  onmessage = ({ data }: MessageEvent<Command>) => queue.add(() => execute(data));
}

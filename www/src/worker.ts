// The worker: the core as WebAssembly, one run, and the loop that advances it. It runs in hidden tabs, too, since nothing
// in it waits for a frame. Commands are followed one after the other, between two pieces of work.
import init, { Lab, type Events } from "../pkg/lastbit_web";
import wasmUrl from "../pkg/lastbit_web_bg.wasm?url";
import type { Command, EngineEvent, Fault, Layers, Epoch, Opened, Tensors } from "./messages";

/** Milliseconds of work between two looks at the commands, and between two messages to the page. */
const SLICE_MS = 25;

let lab: Lab | undefined;
let run = 0;
let isOpen = false;
let running = false;
let replicas = 1;
/** Elements of each parameter by name, and the names that are watched. */
let sizes = new Map<string, number>();
let watched: string[] = [];
/** Everything that touches the core waits for what came before: one call at a time. */
let tail: Promise<void> = Promise.resolve();

function tell(event: EngineEvent, transfer: Transferable[] = []): void {
  postMessage({ run, event }, { transfer });
}

function tellState(finished = false): void {
  tell({ kind: "state", running, finished });
}

const FAULTS: readonly string[] = ["config", "data", "device-lost", "out-of-memory", "gpu"] satisfies Fault[];

function fail(error: unknown): void {
  running = false;
  const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
  tell({ kind: "error", fault: FAULTS.includes(name) ? (name as Fault) : "gpu", message });
  tellState();
}

function enqueue(work: () => Promise<void> | void): void {
  tail = tail.then(work).catch(fail);
}

/** The core, loaded at the first call. */
async function core(): Promise<Lab> {
  if (lab === undefined) {
    await init({ module_or_path: wasmUrl });
    lab = new Lab();
  }
  return lab;
}

/** Passes on what a piece of work brought. */
function pass(events: Events): boolean {
  const { finished } = events;
  const rows = events.rows() as Float64Array<ArrayBuffer>;
  if (rows.length > 0) tell({ kind: "steps", rows }, [rows.buffer]);
  const others = events.others();
  if (others !== "") for (const event of JSON.parse(others) as (Layers | Epoch)[]) tell(event);
  const step = events.peeked_step();
  if (step !== undefined) tell(tensors(step, events.peeked()));
  events.free();
  return finished;
}

function tensors(step: number, bits: Uint32Array): Tensors {
  const values: Tensors["values"] = {};
  let at = 0;
  for (const name of watched) {
    const length = replicas * (sizes.get(name) ?? 0);
    values[name] = bits.slice(at, at + length);
    at += length;
  }
  return { kind: "tensors", step, values };
}

/** Works until paused or finished. Each slice is queued anew, so that commands get their turn. */
function work(): void {
  enqueue(async () => {
    if (!running || lab === undefined) return;
    if (pass(await lab.advance(SLICE_MS))) {
      running = false;
      tellState(true);
      return;
    }
    await commandsFirst();
    work();
  });
}

const channel = new MessageChannel();

/** Lets messages in that arrived during a slice: a message to oneself comes after them, and no timer delays it. */
function commandsFirst(): Promise<void> {
  return new Promise((resolve) => {
    channel.port1.onmessage = () => resolve();
    channel.port2.postMessage(undefined);
  });
}

async function open(config: Extract<Command, { kind: "open" }>): Promise<void> {
  running = isOpen = false;
  run = config.run;
  const opened = JSON.parse(await (await core()).open(JSON.stringify(config.config))) as Opened;
  replicas = opened.ks.length;
  sizes = new Map(opened.tensors.map(({ name, shape }) => [name, shape.reduce((a, b) => a * b, 1)]));
  watched = [];
  isOpen = true;
  tell(opened);
  tellState();
}

function follow(command: Command): Promise<void> | void {
  switch (command.kind) {
    case "open":
      return open(command);
    case "close":
      running = isOpen = false;
      lab?.close();
      return;
    case "data":
      return core().then(() => undefined);
  }
  if (lab === undefined || !isOpen) return;
  const here = lab;
  switch (command.kind) {
    case "start":
      if (running) return;
      running = true;
      tellState();
      work();
      return;
    case "pause":
      if (!running) return;
      running = false;
      return here.settle().then((events) => (pass(events), tellState()));
    case "step":
      running = false;
      return here.step().then((events) => tellState(pass(events)));
    case "set-lr":
      tell({ kind: "changed", what: "lr", step: here.set_lr(command.lr), lr: command.lr });
      return;
    case "flip-bit": {
      const { flip } = command;
      return here
        .flip_bit(flip.tensor, flip.index, flip.replica)
        .then((step) => tell({ kind: "changed", what: "flip-bit", step, flip }));
    }
    case "watch":
      watched = command.tensors.filter((name) => sizes.has(name));
      here.watch(watched);
      return;
  }
}

onmessage = ({ data }: MessageEvent<Command>) => enqueue(() => follow(data));

// The lead's side of a team, with workers that are objects of this process.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { load } from "./load.mjs";

const { Team, teamSize } = await load("team.ts");
const { isMember, MEMBER_NAME, parseWorkerName, workerName } = await load("worker_name.ts");

/** The workers that were started. */
let workers;

class FakeWorker {
  received = [];
  constructor(address, options) {
    Object.assign(this, { address, options });
    workers.push(this);
  }
  postMessage(message) {
    this.received.push(message);
  }
  terminate() {
    this.isTerminated = true;
  }
  answer(message) {
    this.onmessage({ data: message });
  }
}

beforeEach(() => {
  workers = [];
  globalThis.Worker = FakeWorker;
  globalThis.self = { location: { href: "https://page/worker.js" } };
});
afterEach(() => {
  delete globalThis.Worker;
  delete globalThis.self;
});

test("there is a worker for each replica while a core is left for the page", () => {
  const sizes = [[3, 8], [3, 4], [3, 3], [3, 2], [3, 1], [1, 8], [12, 8]].map(([replicas, cores]) => teamSize(replicas, cores));
  assert.deepEqual(sizes, [3, 3, 2, 1, 1, 1, 7]);
});

test("a member's name is no other worker's", () => {
  assert.ok(isMember(MEMBER_NAME));
  for (const name of [workerName("run", "processor"), workerName("equations", "webgpu")]) assert.ok(!isMember(name));
  assert.deepEqual(parseWorkerName(workerName("run", "processor")), { role: "run", backend: "processor" });
});

test("chunks go round the members, and the bytes of a task are copied", async () => {
  const team = new Team("module");
  team.open(3, "config", "outline");
  assert.deepEqual(workers.map(({ options }) => options.name), [MEMBER_NAME, MEMBER_NAME]);
  assert.deepEqual(workers.map(({ received }) => received[0].member), [1, 2]);
  const upload = Uint8Array.of(1, 2);
  const results = [1, 2, 4].map((chunk) => team.assign(chunk, true, 8, upload, chunk === 4 ? Uint8Array.of(9) : undefined));
  upload.fill(0);
  assert.deepEqual(workers.map(({ received }) => received.slice(1).map(({ chunk }) => chunk)), [[1, 4], [2]]);
  assert.deepEqual([...workers[1].received[1].upload], [1, 2]);
  assert.deepEqual([...workers[0].received[2].state], [9]);
  workers[1].answer({ run: 1, chunk: 2, results: Uint8Array.of(2) });
  workers[0].answer({ run: 1, chunk: 1, results: Uint8Array.of(1) });
  workers[0].answer({ run: 1, chunk: 4, results: Uint8Array.of(4) });
  assert.deepEqual([...(await results[0])], [1]);
  assert.deepEqual([...(await results[1])], [2]);
  assert.deepEqual([...(await results[2])], [4]);
});

test("answers of an earlier run are ignored, and a larger team gets further workers", async () => {
  const team = new Team("module");
  team.open(2, "config", "outline");
  void team.assign(1, true, 8, Uint8Array.of(), undefined);
  team.open(4, "config", "outline");
  assert.equal(workers.length, 3);
  const result = team.assign(1, true, 8, Uint8Array.of(), undefined);
  workers[0].answer({ run: 1, chunk: 1, results: Uint8Array.of(7) });
  workers[0].answer({ run: 2, chunk: 1, results: Uint8Array.of(8) });
  assert.deepEqual([...(await result)], [8]);
});

test("a worker that fails ends the run, and the next one has new workers", async () => {
  const team = new Team("module");
  const failures = [
    [() => workers[0].onerror({ message: "", preventDefault: () => undefined }), /stopped \(it did not load\)/],
    [() => workers[2].answer({ run: 2, chunk: 1, error: "no memory" }), /stopped \(no memory\)/],
  ];
  for (const [fail, reason] of failures) {
    team.open(3, "config", "outline");
    const results = [1, 2].map((chunk) => team.assign(chunk, false, 8, Uint8Array.of(), undefined));
    fail();
    for (const result of results) await assert.rejects(result, reason);
  }
  assert.deepEqual(workers.map(({ isTerminated }) => isTerminated), [true, true, true, true]);
});

// The worker's loop, in a worker that is a module of this process.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { SliceQueue } = await load("slice_queue.ts");

test("runs that open during a slice do not begin further loops", async () => {
  const queue = new SliceQueue((error) => assert.fail(error));
  let slices = 0;
  let running = true;
  const slice = async () => {
    if (!running) return;
    slices += 1;
    // Two commands arrive while the slice is under way, as from a reader who changes a control.
    if (slices <= 5) {
      queue.add(() => (running = false));
      queue.add(() => ((running = true), queue.addSlice(slice)));
    }
    if (slices === 20) running = false;
    queue.addSlice(slice);
  };
  queue.addSlice(slice);
  let most = 0;
  while (queue.waiting > 0) {
    most = Math.max(most, queue.waiting);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(slices, 20);
  assert.ok(most <= 3, `${most} pieces wait`);
});

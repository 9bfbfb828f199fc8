import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { needsNudges, nudgeMaps } = await load("nudge.ts");

test("Firefox alone is nudged", () => {
  assert.ok(needsNudges("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"));
  assert.ok(!needsNudges("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"));
});

test("while a buffer is being mapped nothing is submitted again and again, and never otherwise", async () => {
  /** A browser that maps only when something has been submitted three times. */
  let submitted = 0;
  const waiting = new Set();
  class Adapter {
    async requestDevice() {
      return { queue: { submit: (list) => (assert.deepEqual(list, []), ++submitted % 3 === 0 && waiting.forEach((resolve) => resolve())) } };
    }
  }
  class Buffer {
    mapAsync() {
      return new Promise((resolve) => waiting.add(resolve));
    }
  }
  nudgeMaps({ Adapter, Buffer });
  await new Adapter().requestDevice();
  assert.equal(submitted, 0);
  await Promise.all([new Buffer().mapAsync(), new Buffer().mapAsync()]);
  assert.ok(submitted >= 3);
  const after = submitted;
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(submitted, after);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { isRough } = await load("lab/rate_note.ts");
const { defaults, preset } = await load("properties.ts");
const { smoothRun } = await load("run/smooth.ts");

test("a network is rough with momentum or without Swish", () => {
  assert.ok(isRough(defaults(preset("resnet8", true))));
  assert.ok(!isRough(smoothRun(0.1, 100)));
  assert.ok(isRough({ ...smoothRun(0.1, 100), momentum: "0.9" }));
  assert.ok(!isRough({ ...smoothRun(0.1, 100), momentum: "0.9", optimizer: "adamw" }), "AdamW does not use it");
  assert.ok(isRough({ ...smoothRun(0.1, 100), activation: "relu" }));
  assert.ok(!isRough(defaults({ net: "one-layer", ...preset("one-layer", true) })), "it has a note of its own");
});

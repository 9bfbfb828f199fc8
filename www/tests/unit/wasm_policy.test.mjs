import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { FORBIDDEN, loadError } = await load("wasm_policy.ts");

test("an error of loading is explained by the policy only if the policy forbids WebAssembly", () => {
  const error = new Error("404");
  assert.equal(loadError(error), error);
  const explained = loadError(error, () => {
    throw new Error("refused");
  });
  assert.deepEqual([explained.name, explained.message], ["load", FORBIDDEN]);
});

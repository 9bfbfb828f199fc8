import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { classText, failureTexts, PROMISES, subnormalsText, verdict } = await load("certify/promises.ts");

const promise = (name, given = {}) => ({ name, meaning: "", kept: true, exception: null, checked: "", seconds: 0, failures: [], failure_count: 0, ...given });
const certificate = (...promises) => ({ kept: promises.every(({ kept }) => kept), promises, arithmetic: { class: "separate", subnormals: "flushed" } });
const broken = (name, ...failures) => promise(name, { kept: false, failures, failure_count: failures.length });

test("the class and the handling of subnormal numbers have words", () => {
  assert.match(classText("fused"), /once: class fused/);
  assert.match(classText("separate"), /twice: class separate/);
  assert.match(classText("neither"), /no class/);
  assert.deepEqual(["kept", "flushed"].map(subnormalsText), ["kept as they are", "flushed to zero"]);
});

test("a certificate is one word and one sentence, with the first difference", () => {
  const all = PROMISES.map(([name]) => promise(name));
  assert.deepEqual(verdict(certificate(...all)), ["Promise kept", "Everything that a browser can check holds."]);
  const excepted = verdict(certificate(promise("class"), promise("subnormals", { exception: "flushes" })));
  assert.match(excepted[1], /, with a documented exception \(subnormals\)\.$/);
  const where = "resnet8, step 1, k = 1: the fingerprint is a, published b";
  assert.deepEqual(verdict(certificate(promise("class"), broken("published runs", where))), ["Promise broken", `1 of 2 checks failed. published runs: ${where}.`]);
});

test("failures of kernels and in words are listed, with the number of the others", () => {
  const kernel = { kernel: "divide", constants: "N=1", case: "Quotient of 1 and 2", buffer: "results", element: 7, expected: "3f800000", found: "3f800001", elements: 1 };
  const failed = { ...broken("division and roots", kernel, "words"), failure_count: 5 };
  assert.deepEqual(failureTexts(failed), ["divide [N=1] (Quotient of 1 and 2): results[7] is 3f800001, expected 3f800000", "words", "and 3 more"]);
});

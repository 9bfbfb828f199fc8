import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { browserAdvice, describe } = await load("webgpu.ts");

test("the advice fits the browser", () => {
  const chrome = (system) => `Mozilla/5.0 (${system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36`;
  const advice = (userAgent) => Object.values(browserAdvice(userAgent)).join(" ");
  assert.match(advice("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"), /This Firefox.*dom\.webgpu\.enabled/);
  assert.match(advice(chrome("X11; Linux x86_64")), /older than version 113.*Update it, or open chrome:/);
  assert.match(advice(chrome("Linux; Android 15")), /Update it; if that does not help/);
  assert.match(advice(`${chrome("Windows NT 10.0; Win64; x64")} Edg/140.0.0.0`), /Update it; if that does not help/);
  assert.match(advice("Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15"), /This Safari/);
  assert.match(advice(""), /^This browser has no WebGPU/);
});

test("an adapter is named as far as the browser reveals it, and software is recognised", () => {
  assert.deepEqual(describe({ vendor: "nvidia", architecture: "ada" }), { name: "nvidia ada", software: false });
  assert.deepEqual(describe({ vendor: "google", architecture: "swiftshader" }), { name: "SwiftShader", software: true });
  assert.deepEqual(describe({ description: "llvmpipe (LLVM 15)" }), { name: "llvmpipe (LLVM 15)", software: true });
  assert.deepEqual(describe({ vendor: "intel", isFallbackAdapter: true }).software, true);
  assert.deepEqual(describe(), { name: "unnamed adapter", software: false });
});

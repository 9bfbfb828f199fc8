// What a visitor downloads: its compressed size, and addresses that work in any folder.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

/** HTML, script, style and WebAssembly, with the gzip of any server. Recorded runs are loaded on demand and do not count. */
const MOST_KB = 430;

const dist = fileURLToPath(new URL("../../dist", import.meta.url));

test(`the page weighs at most ${MOST_KB} KB`, async (t) => {
  const files = await readdir(dist, { recursive: true });
  const counted = files.filter((file) => /\.(html|js|css|wasm|svg)$/.test(file));
  const sizes = await Promise.all(counted.map(async (file) => gzipSync(await readFile(join(dist, file)), { level: 9 }).length));
  const kilobytes = sizes.reduce((sum, size) => sum + size, 0) / 1000;
  t.diagnostic(`${kilobytes.toFixed(0)} KB: ${counted.map((file, i) => `${file} ${sizes[i]}`).join(", ")}`);
  assert.ok(counted.some((file) => file.endsWith(".wasm")), "the core is included");
  assert.ok(kilobytes <= MOST_KB, `${kilobytes} KB`);
});

test("addresses are relative, so that any folder of any host can serve the page", async () => {
  const html = await readFile(join(dist, "index.html"), "utf8");
  const addresses = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address);
  assert.ok(addresses.length >= 2);
  assert.ok(addresses.every((address) => address.startsWith("./")), addresses.join());
});

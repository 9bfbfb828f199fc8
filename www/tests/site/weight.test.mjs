// What a visitor downloads: its compressed size, and addresses that work in any folder.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { openSite } from "./site.mjs";

/** Everything that the first view loads until its first step on a GPU. */
const MOST_KB = 440;
/** What the processor's module adds. */
const MOST_PROCESSOR_KB = 465;

const site = await openSite();

/** The files that the first view loads with `backend` until its first step, by their path, with their compressed size (the gzip of any server). */
async function firstLoad(backend) {
  const paths = new Set();
  await site.visit(`?backend=${backend}`, (shown) => shown.step(1), {
    prepare: (page) => page.on("request", (request) => paths.add(site.fileOf(request.url()))),
  });
  const size = async (path) => [path, gzipSync(await readFile(join(site.dist, path)), { level: 9 }).length];
  return new Map(await Promise.all([...paths].map(size)));
}

const kilobytes = (sizes) => [...sizes].reduce((sum, [, size]) => sum + size, 0) / 1000;

test(`the first load weighs at most ${MOST_KB} KB, and the processor's module at most ${MOST_PROCESSOR_KB} KB more`, async (t) => {
  const [webgpu, processor] = [await firstLoad("webgpu"), await firstLoad("processor")];
  const added = [...processor].filter(([path]) => !webgpu.has(path));
  const list = (sizes) => `${kilobytes(sizes).toFixed(0)} KB: ${[...sizes].map(([path, size]) => `${path} ${size}`).join(", ")}`;
  t.diagnostic(`first load: ${list(webgpu)}`);
  t.diagnostic(`processor's module: ${list(added)}`);
  for (const sizes of [webgpu, added]) assert.equal([...sizes].filter(([path]) => path.endsWith(".wasm")).length, 1);
  assert.ok(kilobytes(webgpu) <= MOST_KB, `${kilobytes(webgpu)} KB`);
  assert.ok(kilobytes(added) <= MOST_PROCESSOR_KB, `${kilobytes(added)} KB`);
});

test("addresses are relative, so that any folder of any host can serve the page", async () => {
  const html = await readFile(join(site.dist, "index.html"), "utf8");
  const addresses = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address);
  assert.ok(addresses.length >= 2);
  assert.ok(addresses.every((address) => address.startsWith("./")), addresses.join());
});

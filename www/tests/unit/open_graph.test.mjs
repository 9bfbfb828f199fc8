// The tags that other sites read to show a preview of the page, and the picture in it.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { inflateSync } from "node:zlib";

import { indexedPng } from "../png.mjs";
import { load } from "./load.mjs";

const { withAddress } = await load("../open_graph.ts");
const www = new URL("../../", import.meta.url);
const html = await readFile(new URL("index.html", www), "utf8");
const content = (of, name) => of.match(new RegExp(`<meta\\s+(?:property|name)="${name}"\\s+content="([^"]*)"`))?.[1];

test("a preview has a title, a description and a picture; none speaks of two copies or a GPU of one's own", () => {
  for (const name of ["og:title", "og:description", "og:image", "og:image:alt", "twitter:card", "description"]) {
    assert.ok(content(html, name), name);
    assert.doesNotMatch(content(html, name), /two copies|your own GPU/i, name);
  }
  assert.equal(content(html, "og:description"), content(html, "description"));
});

test("the picture's address is absolute if the build knows the host, and relative otherwise", () => {
  assert.equal(content(withAddress(html, undefined), "og:image"), "./og.png");
  assert.equal(withAddress(html, ""), html);
  for (const url of ["https://example.org/lastbit", "https://example.org/lastbit/"]) {
    assert.equal(content(withAddress(html, url), "og:image"), "https://example.org/lastbit/og.png");
    assert.equal(content(withAddress(html, url), "og:url"), "https://example.org/lastbit/");
  }
  for (const wrong of ["example.org", "javascript:x", 'https://a.b/"><script>']) assert.throws(() => withAddress(html, wrong), /LASTBIT_URL/);
});

/** The size in the head of a PNG. */
const sizeOf = (png) => [png.readUInt32BE(16), png.readUInt32BE(20)];

test("the picture has the size that its tags say, and less than 100 KB", async () => {
  const png = await readFile(new URL("public/og.png", www));
  assert.deepEqual(sizeOf(png), [Number(content(html, "og:image:width")), Number(content(html, "og:image:height"))]);
  assert.ok(png.length < 100_000, `${png.length} bytes`);
});

test("a PNG with a palette keeps frequent colours, and gives rare ones the nearest", () => {
  const colours = Array.from({ length: 300 }, (_, i) => (i < 256 ? [i, 0, 0] : [i - 256, 0, 1]));
  // The first 256 come twice.
  const pixels = [...colours, ...colours.slice(0, 256)];
  const png = indexedPng(pixels.flatMap((colour) => [...colour, 255]), 4, pixels.length / 4);
  assert.deepEqual(sizeOf(png), [4, 139]);
  const part = (name) => {
    const at = png.indexOf(name);
    return png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4));
  };
  const [palette, lines] = [part("PLTE"), inflateSync(part("IDAT"))];
  const shown = pixels.map((_, i) => [...palette.subarray(3 * lines[5 * Math.floor(i / 4) + 1 + (i % 4)]).subarray(0, 3)]);
  assert.deepEqual(shown, pixels.map(([red]) => [red, 0, 0]));
});

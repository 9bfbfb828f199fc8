// node www/tests/og.mjs CHROMIUM SITE OUT: takes the picture that other sites show beside a link to the page (Open Graph): the
// first view in presenter mode, whose type can be read in a small preview, as a PNG with a palette.
import { writeFile } from "node:fs/promises";

import { launch } from "./chromium.mjs";
import { indexedPng } from "./png.mjs";
import { serve } from "./server.mjs";

/** The size that sites ask for. */
const SIZE = { width: 1200, height: 630 };
/** Steps by which the copies have parted. */
const STEPS = 120;
const PATIENCE_MS = 600_000;
/** Some sites load no larger picture. */
const MOST_BYTES = 100_000;

/** The pixels of a PNG, decoded by the browser. */
async function pixelsOf(context, png) {
  const page = await context.newPage();
  const encoded = await page.evaluate(async (data) => {
    const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    canvas.drawImage(bitmap, 0, 0);
    const { data: bytes } = canvas.getImageData(0, 0, bitmap.width, bitmap.height);
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return btoa(text);
  }, png.toString("base64"));
  await page.close();
  return Buffer.from(encoded, "base64");
}

const [executable, site, out] = process.argv.slice(2);
const { server, url } = await serve({ "/": site });
const browser = await launch(executable);
try {
  const context = await browser.newContext({ viewport: SIZE, colorScheme: "light" });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(`${url}?backend=processor#/home?present=1`);
  await page.waitForFunction((steps) => Number(document.querySelector("[data-testid=step]")?.textContent) >= steps, STEPS);
  await page.getByTestId("start").click();
  await page.getByTestId("start").filter({ hasText: "Start" }).waitFor();
  // A picture has no keys to press. The pointer and the focus leave no trace.
  await page.locator(".present-bar").evaluate((bar) => (bar.hidden = true));
  await page.mouse.move(0, 0);
  await page.evaluate(() => document.activeElement?.blur());
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  const picture = indexedPng(await pixelsOf(context, await page.screenshot()), SIZE.width, SIZE.height);
  if (picture.length > MOST_BYTES) throw new Error(`${picture.length} bytes, more than ${MOST_BYTES}`);
  await writeFile(out, picture);
  console.log(`${out}: ${(picture.length / 1024).toFixed(0)} KiB`);
} finally {
  await browser.close();
  server.close();
}

// node www/tests/screenshots.mjs CHROMIUM SITE OUT [NAME...]: takes pictures of every view of the built site, light and dark, on
// a phone and on a desk, as WebP files small enough for the repository. docs/PAGE.md shows those in docs/images/.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { launch } from "./chromium.mjs";
import { serve } from "./server.mjs";

const WIDTHS = { desk: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
const PATIENCE_MS = 600_000;
const QUALITY = 0.2;
/** Largest height of a phone's picture, in pixels. */
const LONGEST = 1800;

/** Waits until the text of an element fits. It polls from outside, because the page's policy forbids evaluating code in it. */
async function until(page, id, fits) {
  const element = page.getByTestId(id).first();
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await page.waitForTimeout(200)) {
    if (fits((await element.textContent()) ?? "")) return;
  }
  throw new Error(`'${id}' is not there yet`);
}

/** Views by name: the address, and what to do before the picture. */
const VIEWS = {
  home: { path: "#/home", ready: (page) => until(page, "step", (text) => Number(text) >= 260) },
  lab: { path: "#/lab", ready: (page) => until(page, "step", (text) => Number(text) >= 200) },
  heat: { path: "#/pde/heat?dt=0.52", ready: (page) => until(page, "heat-step", (text) => Number(text) >= 120) },
  linear: { path: "#/pde/linear", ready: (page) => until(page, "linear-measured", (text) => Math.abs(Number(text) - 0.935) < 0.002) },
  nonlinear: { path: "#/pde/nonlinear?dt=0.07", ready: (page) => until(page, "nonlinear-step", (text) => Number(text) >= 250) },
  "lesson-1": {
    path: "#/lesson/1",
    ready: async (page) => {
      await page.getByTestId("bit-0").click();
      await page.getByTestId("float-exact").hover();
    },
  },
  "lesson-2": {
    path: "#/lesson/2?notes=1",
    ready: async (page) => {
      await page.getByTestId("divide-try").click();
      await page.getByTestId("divisor-2").check();
      await page.getByTestId("divide-try").click();
    },
  },
  "lesson-3": {
    path: "#/lesson/3",
    ready: async (page) => {
      await page.getByTestId("start").click();
      await until(page, "step", (text) => Number(text) >= 40);
    },
  },
  "lesson-4": {
    path: "#/lesson/4",
    ready: async (page) => {
      await page.getByTestId("heat-dt").fill("0.53");
      await until(page, "heat-factor", (text) => text.startsWith("−1"));
      await until(page, "heat-step", (text) => Number(text) >= 120);
    },
  },
  "lesson-5": {
    path: "#/lesson/5",
    ready: async (page) => {
      await until(page, "nonlinear-step", (text) => Number(text) >= 40);
      await page.getByTestId("nonlinear-dt").fill("0.07");
      await until(page, "nonlinear-step", (text) => Number(text) >= 160);
    },
  },
  "lesson-6": {
    path: "#/lesson/6",
    ready: async (page) => {
      await page.getByTestId("start").click();
      await until(page, "curvature-line", (text) => text.includes("step 240"));
    },
  },
  "lesson-7": {
    path: "#/lesson/7",
    ready: async (page) => {
      // A low rate beside the highest one.
      await page.getByTestId("start").click();
      await until(page, "step", (text) => Number(text) >= 60);
      await page.getByTestId("lr").fill("2");
      await page.getByTestId("start").click();
      await page.getByTestId("seen").waitFor();
    },
  },
  certify: {
    path: "?backend=webgpu#/certify",
    ready: async (page) => {
      await page.getByTestId("certify").click();
      await until(page, "certify-lamp", (text) => text.startsWith("Promise"));
    },
  },
  recorded: {
    path: "?backend=recorded#/lab",
    ready: (page) => until(page, "step", (text) => Number(text) >= 30),
  },
};

/** Converts PNG to WebP in the browser. */
async function webp(context, png) {
  const page = await context.newPage();
  const encoded = await page.evaluate(
    async ([data, quality]) => {
      const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      canvas.getContext("2d").drawImage(bitmap, 0, 0);
      const blob = await canvas.convertToBlob({ type: "image/webp", quality });
      const bytes = new Uint8Array(await blob.arrayBuffer());
      return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    },
    [png.toString("base64"), QUALITY],
  );
  await page.close();
  return Buffer.from(encoded, "base64");
}

async function shoot(page, isLong) {
  if (!isLong) return page.screenshot();
  const { width, height } = await page.evaluate(() => ({ width: innerWidth, height: document.documentElement.scrollHeight }));
  return page.screenshot({ fullPage: true, clip: { x: 0, y: 0, width, height: Math.min(height, LONGEST) } });
}

async function main([executable, site, out, ...names]) {
  await mkdir(out, { recursive: true });
  const { server, url } = await serve({ "/": site });
  const browser = await launch(executable);
  try {
    for (const [name, { path, ready }] of Object.entries(VIEWS)) {
      if (names.length > 0 && !names.includes(name)) continue;
      for (const [place, viewport] of Object.entries(WIDTHS)) {
        const context = await browser.newContext({ viewport, colorScheme: "light" });
        const page = await context.newPage();
        page.setDefaultTimeout(PATIENCE_MS);
        page.on("console", (message) => message.type() === "error" && console.error(`${name}: ${message.text()}`));
        page.on("pageerror", (error) => console.error(`${name}: ${error.message}`));
        await page.goto(url + path);
        await ready(page).catch((error) => console.error(`${name}, ${place}: ${error.message.split("\n")[0]}`));
        // A picture must not catch a view in the middle of a change.
        const pause = page.getByTestId("pause");
        if ((await pause.count()) > 0) await pause.first().click().catch(() => undefined);
        await page.waitForFunction(() => document.querySelector('[data-testid="pause"].primary') === null);
        await page.waitForTimeout(1000);
        for (const colorScheme of ["light", "dark"]) {
          await page.emulateMedia({ colorScheme });
          await page.waitForTimeout(300);
          const picture = await webp(context, await shoot(page, place === "phone"));
          await writeFile(join(out, `${name}-${place}-${colorScheme}.webp`), picture);
          console.log(`${name}-${place}-${colorScheme}.webp: ${(picture.length / 1024).toFixed(0)} KiB`);
        }
        await context.close();
      }
    }
  } finally {
    await browser.close();
    server.close();
  }
}

await main(process.argv.slice(2));

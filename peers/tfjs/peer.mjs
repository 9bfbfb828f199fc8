// node peers/tfjs/peer.mjs tfjs CHROMIUM NET BATCH WEIGHTS IMAGES, or node peers/tfjs/peer.mjs lastbit CHROMIUM NET BATCH:
// the browser's sides of `cargo xtask bench --peers`, TensorFlow.js and lastbit's page in the same Chromium. The first line
// printed says what was built and, of TensorFlow.js, the first losses; then each line on stdin asks for so many steps and is
// answered with the seconds of each.
import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { launch } from "../../www/tests/chromium.mjs";
import { serve } from "../../www/tests/server.mjs";
import { listen } from "../../www/tests/site/site.mjs";

/** Steps of the page before those that are timed: its kernels compile during the first. */
const WARM_UP = 2;

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

/** The most memory that the page's processes had, in MiB; undefined if /proc does not state it. */
async function peakMib(browser) {
  const cdp = await browser.newBrowserCDPSession();
  const { processInfo } = await cdp.send("SystemInfo.getProcessInfo");
  await cdp.detach();
  const ids = processInfo.filter(({ type }) => type === "GPU" || type === "renderer").map(({ id }) => id);
  const status = await Promise.all(ids.map((id) => readFile(`/proc/${id}/status`, "utf8").catch(() => "")));
  const kib = status.reduce((total, text) => total + Number(text.match(/VmHWM:\s+(\d+)/)?.[1] ?? 0), 0);
  return kib > 0 ? kib / 1024 : undefined;
}

async function newPage(browser, address) {
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  page.on("pageerror", (error) => console.error(error.message));
  await page.addInitScript(listen);
  await page.goto(address);
  return page;
}

async function tensorFlow(browser, [net, batch, weights, images]) {
  const folders = { "/modules/": here("node_modules/@tensorflow"), "/weights/": dirname(weights), "/images/": dirname(images), "/": here(".") };
  const { url } = await serve(folders);
  const files = [`/weights/${basename(weights)}`, `/images/${basename(images)}`];
  const page = await newPage(browser, url);
  await page.waitForFunction(() => window.peer !== undefined);
  say(await page.evaluate((given) => window.peer.build(...given), [net, Number(batch), files]));
  return (steps) =>
    page.evaluate(async (n) => {
      const seconds = [];
      for (let i = 0; i < n; i++) {
        const started = performance.now();
        await window.peer.step();
        seconds.push((performance.now() - started) / 1000);
      }
      return seconds;
    }, steps);
}

async function lastbit(browser, [net, batch]) {
  const { url } = await serve({ "/": here("../../www/dist") });
  const run = new URLSearchParams({ net, width: "1", dataset: "synthetic", ks: "1", "batch-size": batch, "train-limit": "512", "test-limit": "8" });
  say({ version: "lastbit", setting: "the page, Chromium, WebGPU" });
  // A new page each time, so that the run does not continue while the others are measured.
  return async (steps) => {
    const page = await newPage(browser, `${url}#/lab?${run}`);
    // An event reports one step or, if steps are short, several: nine numbers each.
    const handle = await page.waitForFunction((n) => {
      const counted = window.events.filter(({ kind }) => kind === "steps").map(({ at, rows }) => [at, rows.length / 9]);
      return counted.reduce((total, [, count]) => total + count, 0) >= n && counted;
    }, WARM_UP + 1 + steps);
    const counted = await handle.jsonValue();
    await page.close();
    const seconds = counted.slice(1).map(([at, count], i) => (at - counted[i][0]) / 1000 / count);
    return seconds.slice(-steps);
  };
}

async function main([side, chromium, ...rest]) {
  const browser = await launch(chromium);
  const steps = await { tfjs: tensorFlow, lastbit }[side](browser, rest);
  for await (const line of createInterface({ input: process.stdin })) {
    say({ seconds: await steps(Number(line)), mib: await peakMib(browser) });
  }
  await browser.close();
}

await main(process.argv.slice(2)).catch((error) => say({ error: error.message.split("\n")[0] }));
process.exit(0);

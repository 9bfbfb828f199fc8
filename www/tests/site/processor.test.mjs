// Without a GPU the processor trains, live, in every view, and finds the bits of the native program's class.
import assert from "node:assert/strict";
import { after, test } from "node:test";

import { launch } from "../chromium.mjs";
import { NOT_THERE, openSite, Site, without } from "./site.mjs";

const site = await openSite();
const browser = await launch(site.chromium, { webgpu: false });
after(() => browser.close());
const plain = new Site({ ...site, browser });
/** Chromium logs this when a page requests an adapter. */
const complaints = [/No available adapters/];
const plainly = (address, use, options) => plain.visit(address, use, { complaints, ...options });

test("a browser without WebGPU trains in lab and lesson", async (t) => {
  await plainly("#/lab", async (shown, page) => {
    await shown.step(30);
    assert.equal(await shown.text("backend"), "processor");
    assert.match(await shown.text("adapter"), /your processor/);
    assert.match(await shown.text("no-webgpu-why"), /WebGPU turned off|older|no adapter/);
    assert.match(await shown.text("no-webgpu-remedy"), /chrome:\/\/|Update/);
    assert.match(await shown.text("command"), /--adapter processor:separate/);
    assert.equal(await shown.get("net").inputValue(), "resnet8");
    assert.equal(await shown.get("batch-size").inputValue(), "4", "sizes that suit a processor");
    await shown.until("published", /are the published ones of class separate/);
    await shown.untilNumber("rel-l1-k3", (distance) => distance > 0);
    assert.match(await shown.text("lamp"), /green/);
    const first = await page.evaluate(() => window.events.find(({ kind }) => kind === "steps").at);
    t.diagnostic(`first step reported after ${first.toFixed(0)} ms`);
    const speed = await shown.page.locator(".speed").textContent();
    t.diagnostic(speed);
  });
  for (const chapter of [3, 7]) {
    await plainly(`#/lesson/${chapter}`, async (shown) => {
      await shown.click("start");
      await shown.until("adapter", /Live on your processor: resnet8/);
      await shown.until("published", /are the published ones of class separate/);
      if (chapter === 3) {
        await shown.untilNumber("differing-k3", (differing) => differing > 1000);
        assert.equal(await shown.number("differing-k2"), 0);
      } else {
        await shown.until("rel-l1-k3", (text) => Number(text) > 0.01);
      }
    });
  }
  await plainly("#/pde/nonlinear?dt=0.07", async (shown, page) => {
    await page.waitForSelector('[data-testid="nonlinear-verdict"][data-kind="chaos"]');
    assert.match(await shown.text("pde-adapter"), /float32 on your processor/);
  });
});

test("a software GPU is used only by choice, which is remembered", async () => {
  // This browser has SwiftShader.
  const backend = (wanted) => (shown) => shown.until("backend", wanted);
  await site.visit("#/lab", async (shown, page) => {
    await shown.step(2);
    await backend("processor")(shown);
    await shown.get("backend-choice").selectOption("webgpu");
    await backend("webgpu")(shown);
    await shown.until("adapter", /SwiftShader/);
    await page.reload();
    await backend("webgpu")(shown);
    await shown.get("backend-choice").selectOption("processor");
    await backend("processor")(shown);
    await shown.until("adapter", /your processor/);
    await shown.step(2);
  });
});

test("a visitor loads the module of one device", async () => {
  for (const backend of ["webgpu", "processor"]) {
    const loaded = [];
    await site.visit(`?backend=${backend}#/lab`, (shown) => shown.step(1), {
      prepare: (page) => page.route(/\.wasm$/, (route) => (loaded.push(route.request().url()), route.continue())),
    });
    assert.equal(loaded.length, 1, loaded.join());
  }
});

test("a host that lacks the processor's module is named", async () => {
  await plainly("#/lab", (shown) => shown.until("error", /reload the page/), {
    prepare: without(/\.wasm$/),
    complaints: [...complaints, NOT_THERE, /wasm|WebAssembly/],
  });
});

test("a page over plain HTTP says that WebGPU needs a secure one, and trains", async () => {
  // Names under .test are as insecure as any host of the internet; this browser resolves them to this machine.
  const resolving = await launch(site.chromium, { extra: ["--host-resolver-rules=MAP lastbit.test 127.0.0.1"] });
  try {
    const insecure = new Site({ ...site, browser: resolving, url: site.url.replace("127.0.0.1", "lastbit.test") });
    await insecure.visit("#/lab", async (shown) => {
      await shown.until("no-webgpu-why", /secure pages only/);
      assert.match(await shown.text("no-webgpu-remedy"), /https:\/\//);
      await shown.step(2);
    });
  } finally {
    await resolving.close();
  }
});

test("workers of their own train the copies while a core is left for the page, with the same bits", async () => {
  const withCores = (cores) => Object.defineProperty(navigator, "hardwareConcurrency", { get: () => cores });
  for (const [cores, workers] of [[4, 3], [3, 2]]) {
    await plainly("#/lab", async (shown, page) => {
      await shown.until("published", /are the published ones of class separate/);
      assert.equal(await page.evaluate(() => window.events.find(({ kind }) => kind === "opened").workers), workers);
      // A run that opens while tasks are under way.
      await shown.click("reset");
      await shown.until("step", "0");
      await shown.click("start");
      await shown.until("published", /are the published ones of class separate/);
    }, { script: [withCores, cores] });
  }
});

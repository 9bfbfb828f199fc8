// Without WebGPU, the page shows the reason and the remedy, and recorded runs still show the effect.
import assert from "node:assert/strict";
import { test } from "node:test";

import { launch } from "../chromium.mjs";
import { NOT_THERE, openSite, Site, without } from "./site.mjs";

const site = await openSite();

test("without WebGPU the page says why, and plays a recorded run", async () => {
  const browser = await launch(site.chromium, { webgpu: false });
  const plain = new Site({ ...site, browser });
  // Chromium logs this when a page requests an adapter.
  const complaints = [/No available adapters/];
  const plainly = { visit: (address, use) => plain.visit(address, use, { complaints }) };
  try {
    await plainly.visit("#/lab", async (shown, page) => {
      assert.match(await shown.text("no-webgpu-why"), /WebGPU turned off|older|no adapter/);
      assert.match(await shown.text("no-webgpu-remedy"), /chrome:\/\/|Update/);
      await shown.step(5);
      await shown.click("pause");
      const end = await shown.get("scrub").getAttribute("max");
      await shown.get("scrub").fill(end);
      await shown.until("step", end);
      assert.match(await shown.text("lamp"), /green/);
      await shown.get("scrub").fill("0");
      await shown.until("step", "0");
      await shown.click("single-step");
      await shown.until("step", "1");
      await shown.get("recorded-run").selectOption("rate-0.0125");
      await page.waitForFunction(() => document.querySelector(".recorded pre").textContent.includes("--lr 0.0125"));
      await shown.get("scrub").fill("100");
      await shown.until("step", "100");
    });
    await plainly.visit("#/lesson/3", async (shown) => {
      await shown.click("start");
      await shown.get("seen").waitFor({ state: "visible" });
      assert.match(await shown.text("adapter"), /Recorded/);
      assert.equal(await shown.get("flip-bit").count(), 0, "no bit of a recorded run can be flipped");
    });
    await plainly.visit("#/lesson/6", async (shown) => {
      await shown.click("start");
      await shown.until("rel-l1-k3", (text) => Number(text) > 0.01);
      await shown.get("lr").fill("0");
      await shown.click("start");
      await shown.get("seen").waitFor({ state: "visible" });
    });
    await plainly.visit("#/lesson/5", async (shown) => {
      await shown.get("nonlinear-dt").fill("0.07");
      await shown.get("seen").waitFor({ state: "visible" });
      assert.match(await shown.text("pde-adapter"), /float64 on the processor/);
    });
    // A host that lacks the recorded runs.
    const bare = { prepare: without(/recorded\//), complaints: [...complaints, NOT_THERE] };
    await plain.visit("#/lesson/3", (shown) => shown.until("error", /^The live part of this chapter did not load: .*'parting' \(404\)/), bare);
    await plain.visit("#/lesson/6", async (shown) => {
      await shown.click("start");
      await shown.until("error", /'rate-0.8' \(404\): choose another rate, or reload/);
    }, bare);
    await plain.visit("#/lab", async (shown, page) => {
      await page.getByRole("alert").getByText(/'parting' \(404\): choose another run, or reload/).waitFor();
    }, bare);
  } finally {
    await browser.close();
  }
});

test("a page over plain HTTP says that it must be secure", async () => {
  // Names under .test are as insecure as any host of the internet; this browser resolves them to this machine.
  const { port } = new URL(site.url);
  const browser = await launch(site.chromium, { extra: ["--host-resolver-rules=MAP lastbit.test 127.0.0.1"] });
  try {
    const insecure = new Site({ ...site, browser, url: `http://lastbit.test:${port}/` });
    await insecure.visit("#/lab", async (shown) => {
      await shown.until("no-webgpu-why", /secure pages only/);
      assert.match(await shown.text("no-webgpu-remedy"), /https:\/\//);
    });
  } finally {
    await browser.close();
  }
});

// Where nothing can train, the page shows the reason and the remedy, and recorded runs still show the effect.
import assert from "node:assert/strict";
import { test } from "node:test";

import { fakeEngine } from "./fake_engine.mjs";
import { NOT_THERE, openSite, without, withoutSimd } from "./site.mjs";

const site = await openSite();

/** Visits the page in a browser that has neither WebGPU nor the vectors of WebAssembly. */
const plainly = (address, use, options) => site.visit(`?webgpu=off${address}`, use, { script: [withoutSimd], ...options });

test("a browser that cannot train says why, and plays recorded runs", async () => {
  await plainly("#/lab", async (shown, page) => {
    assert.equal(await shown.text("backend"), "recorded");
    assert.match(await shown.text("no-webgpu-why"), /WebGPU turned off|older.*WebAssembly/);
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
  await plainly("#/lesson/3", async (shown) => {
    await shown.click("start");
    await shown.get("seen").waitFor({ state: "visible" });
    assert.match(await shown.text("adapter"), /Recorded/);
    assert.equal(await shown.get("flip-bit").count(), 0, "no bit of a recorded run can be flipped");
  });
  await plainly("#/lesson/7", async (shown) => {
    await shown.click("start");
    await shown.until("rel-l1-k3", (text) => Number(text) > 0.01);
    await shown.get("lr").fill("0");
    await shown.click("start");
    await shown.get("seen").waitFor({ state: "visible" });
  });
  await plainly("#/lesson/5", async (shown) => {
    await shown.get("nonlinear-dt").fill("0.07");
    await shown.get("seen").waitFor({ state: "visible" });
    assert.match(await shown.text("pde-adapter"), /float64 on the processor/);
  });
});

test("equations say whether recorded runs were chosen, or nothing else is there", async () => {
  await site.visit("?backend=recorded#/pde/heat", (shown) => shown.until("pde-adapter", "float64 on the processor, because recorded runs were chosen"));
  await plainly("#/pde/heat", (shown) => shown.until("pde-adapter", "float64 on the processor, without WebGPU"));
});

test("a browser without WebAssembly plays recorded runs", async () => {
  for (const [address, plays] of [["#/home", false], ["#/lab", false], ["#/lesson/3", true], ["?figure=parting", false]]) {
    await site.visit(address, async (shown) => {
      await shown.until("backend", "recorded");
      if (plays) await shown.click("start");
      await shown.step(5);
      if (address === "#/lab") assert.match(await shown.text("no-webgpu-why"), /lacks WebAssembly, which/);
    }, { script: [() => delete globalThis.WebAssembly] });
  }
});

test("a host that lacks the recorded runs is named", async () => {
  const bare = { prepare: without(/recorded\//), complaints: [NOT_THERE] };
  await plainly("#/lesson/3", (shown) => shown.until("error", /^The live part of this chapter did not load: .*'parting' \(404\)/), bare);
  await plainly("#/lesson/7", async (shown) => {
    await shown.click("start");
    await shown.until("error", /'rate-0.8' \(404\): choose another rate, or reload/);
  }, bare);
  await plainly("#/lab", async (shown, page) => {
    await page.getByRole("alert").getByText(/'parting' \(404\): choose another run, or reload/).waitFor();
  }, bare);
});

test("recorded runs are styled as the lab's are", async () => {
  /** Runs in the page: what the styles of the components decide. */
  const styled = () => {
    const [select, head, filters] = [".map figcaption select", ".numbers tbody .k-c0 th", ".filter-frame"].map((one) => document.querySelector(one));
    const { fontWeight, color } = getComputedStyle(head);
    return { isNarrow: select.offsetWidth < 150, fontWeight, color, square: Math.round(filters.offsetWidth / filters.offsetHeight) };
  };
  const found = [];
  for (const address of ["#/lab?ks=1,3,2", "?backend=recorded#/lab"]) {
    await site.visit(address, async (shown, page) => {
      await shown.step(1);
      await page.locator(".numbers tbody .k-c0 th").waitFor();
      found.push(await page.evaluate(styled));
    }, address.startsWith("#") ? { script: [fakeEngine, { steps: 10 }] } : {});
  }
  assert.deepEqual(found[1], found[0]);
  assert.ok(found[0].isNarrow && found[0].fontWeight === "600");
});

// The device: which promises it keeps, and whether the page's own runs have the published fingerprints.
import assert from "node:assert/strict";
import { test } from "node:test";

import { faultyDriver } from "./faulty_driver.mjs";
import { openSite, withoutSimd } from "./site.mjs";

/** Waits until a certificate is there, and returns it. */
async function certificate(page) {
  const found = await page.waitForFunction(() => window.events.find(({ kind }) => kind === "certificate" || kind === "error"));
  const event = await found.jsonValue();
  assert.equal(event.kind, "certificate", event.message);
  return JSON.parse(event.json);
}

/** The names of the promises on screen that have this state. */
const withState = (page, state) => page.locator(`.promises details[data-state=${state}] .name`).allTextContents();

const site = await openSite();

test("the quick form ends with all promises kept, and can be stopped", async (t) => {
  await site.visit("?backend=webgpu#/certify", async (shown, page) => {
    await shown.until("certify-lamp", /^Not checked/);
    assert.equal(await shown.text("backend"), "webgpu");
    const names = await withState(page, "none");
    assert.equal(names.length, 10);
    // A check that is stopped leaves nothing behind.
    await shown.click("certify");
    await shown.until("certify-class", /twice: class separate/);
    assert.equal(await shown.text("certify"), "Stop");
    await shown.click("certify");
    assert.equal(await shown.text("certify"), "Check again");
    assert.match(await shown.text("certify-lamp"), /^Not checked/);
    await page.evaluate(() => (window.events = []));

    const started = Date.now();
    await shown.click("certify");
    // Both from one frame: the check goes on.
    const green = await page.waitForFunction(() => {
      const isAtThird = /^3 of 10 checked, now: run-to-run/.test(document.querySelector("[data-testid=certify-progress]").textContent);
      return isAtThird && [...document.querySelectorAll(".promises details[data-state=green] .name")].map(({ textContent }) => textContent);
    });
    assert.deepEqual(await green.jsonValue(), ["class", "division and roots"], "each promise is shown when it is checked");
    const found = await certificate(page);
    t.diagnostic(`certified in ${((Date.now() - started) / 1000).toFixed(0)} s`);
    await shown.until("certify-lamp", /^Promise kept/);
    assert.equal(await shown.get("certify-lamp").getAttribute("data-state"), "green");
    assert.match(await shown.text("certify-lamp"), /exception \(subnormals\)/);
    assert.match(await shown.text("certify-subnormals"), /flushed/);
    assert.deepEqual(await withState(page, "green"), names.filter((name) => name !== "subnormals"));
    assert.deepEqual(found.promises.map(({ name }) => name), names, "every promise has its line");
    assert.deepEqual(found.promises.filter(({ exception }) => exception !== null).map(({ name }) => name), ["subnormals"]);
    assert.match(await shown.text("certify-findings"), /flushes subnormal numbers to zero/);
    assert.deepEqual([found.kept, found.quick, found.format, found.arithmetic], [true, true, 1, { class: "separate", subnormals: "flushed" }]);
    assert.deepEqual([found.adapter.name, found.adapter.kind, found.adapter.backend], ["SwiftShader", "Cpu", "webgpu"]);
    assert.match(found.adapter.driver, /Chrome\//);
    assert.match(found.date, /^\d{4}-\d\d-\d\d$/);

    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await shown.click("copy-certificate");
    await page.getByText("Certificate copied").waitFor();
    assert.deepEqual(JSON.parse(await page.evaluate(() => navigator.clipboard.readText())), found);
  });
});

/** Runs in the page before its scripts: workers that say what a device with a wrong bit says. */
function brokenDevice(difference) {
  window.Worker = class extends EventTarget {
    postMessage({ kind }) {
      if (kind !== "certify") return;
      const names = [...document.querySelectorAll(".promises details")].map(({ dataset }) => dataset.testid.replace(/^promise-/, ""));
      const broken = { kept: false, failures: [difference], failure_count: 1 };
      const promises = names.map((name) => ({ name, meaning: "", kept: true, exception: null, checked: "all", seconds: 1, failures: [], failure_count: 0, ...(name === "published runs" && broken) }));
      const certificate = { kept: false, promises, arithmetic: { class: "fused", subnormals: "kept" } };
      const events = [
        { kind: "arithmetic", adapter: "made up", class: "fused", subnormals: "kept" },
        ...promises.map((promise) => ({ kind: "promise", promise })),
        { kind: "certificate", json: JSON.stringify(certificate) },
      ];
      events.forEach((event) => setTimeout(() => this.onmessage({ data: { run: 0, event } })));
    }

    terminate() {}
  };
}

test("a device that changes a bit is named by run, step and fingerprints", async () => {
  const difference = "resnet8, step 1, k = 1: the fingerprint is 0123456789abcdef, published fedcba9876543210";
  await site.visit("?backend=webgpu#/certify", async (shown, page) => {
    await shown.click("certify");
    await shown.until("certify-lamp", `Promise broken1 of 10 checks failed. published runs: ${difference}.`);
    assert.equal(await shown.get("certify-lamp").getAttribute("data-state"), "red");
    assert.deepEqual(await withState(page, "red"), ["published runs"]);
    assert.equal((await withState(page, "green")).length, 9);
    assert.equal(await shown.text("certify-findings"), `Where it breakspublished runs${difference}`);
    assert.equal(await shown.get("copy-certificate").getAttribute("aria-disabled"), "false");
  }, { script: [brokenDevice, difference] });
});

test("the page's own runs have the published fingerprints, and changed ones are not compared", async () => {
  await site.visit("?backend=processor#/lesson/3", async (shown) => {
    await shown.until("published", /published for steps 1, 10, 50 and 100/);
    await shown.click("start");
    await shown.until("published", /at step 10 are the published ones of class separate/);
    assert.equal(await shown.get("published").getAttribute("data-state"), "green");
  });
  await site.visit("?backend=webgpu#/lab", async (shown, page) => {
    await shown.until("published", /at step 1 are the published ones of class separate/);
    assert.equal(await shown.get("published").getAttribute("data-state"), "green");
    await shown.get("lr").fill("0.05");
    await page.waitForFunction(() => location.hash.includes("lr-changes="));
    await shown.until("published", "");
    await shown.get("published").waitFor({ state: "hidden" });
    // Another seed is another run, for which nothing is published.
    await page.goto(`${page.url().split("#")[0]}#/lab?net=resnet8&width=0.5&batch-size=4&train-limit=512&test-limit=16&seed=2`);
    await shown.step(2);
    assert.equal(await shown.text("published"), "");
  });
  await site.visit("?backend=processor#/lesson/7", async (shown) => {
    await shown.click("start");
    await shown.until("published", /at step 1 are/);
  });
});

test("the page's own run shows a wrong bit", async () => {
  await site.visit("?backend=webgpu#/lab", async (shown) => {
    await shown.until("published", /^Not publishedThe fingerprint is [0-9a-f]{16} at step 1, k = 1; class separate has [0-9a-f]{16}\. This device flushes/);
    assert.equal(await shown.get("published").getAttribute("data-state"), "red");
    assert.match(await shown.text("lamp"), /green/, "the copies agree with each other");
  }, { prepare: faultyDriver });
});

test("without a GPU the processor is certified", async (t) => {
  await site.visit("?webgpu=off#/certify", async (shown, page) => {
    const started = Date.now();
    await shown.click("certify");
    const found = await certificate(page);
    t.diagnostic(`certified in ${((Date.now() - started) / 1000).toFixed(0)} s`);
    await shown.until("certify-lamp", /^Promise kept/);
    assert.deepEqual([found.kept, found.arithmetic], [true, { class: "separate", subnormals: "kept" }]);
    assert.deepEqual([found.adapter.name, found.adapter.backend], ["processor:separate", "processor"]);
    assert.deepEqual(found.promises.filter(({ exception }) => exception !== null), []);
  });
});

test("where nothing can train the view says why", async () => {
  await site.visit("?webgpu=off#/certify", async (shown) => {
    await shown.get("no-webgpu").waitFor();
    assert.equal(await shown.text("backend"), "recorded");
    assert.equal(await shown.get("certify").count(), 0);
  }, { script: [withoutSimd] });
});

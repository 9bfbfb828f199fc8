// The first view: a run that starts by itself, one handle, and what it leads to.
import assert from "node:assert/strict";
import { test } from "node:test";

import { fakeEngine } from "./fake_engine.mjs";
import { openSite, withoutSimd } from "./site.mjs";

const site = await openSite();

for (const backend of ["processor", "webgpu"]) test(`${backend}: the story is told by itself, and its handle changes it`, async (t) => {
  await site.visit(`?backend=${backend}`, async (shown, page) => {
    await shown.step(1);
    assert.equal(await shown.text("backend"), backend);
    // For people who read the log: a busy machine takes its time, so nothing about times is asserted.
    const first = await page.evaluate(() => window.events.find(({ kind }) => kind === "steps").at);
    t.diagnostic(`first step reported after ${first.toFixed(0)} ms`);
    await shown.until("story", /^Step \d+: .*weights differ/);
    // A hundred steps take a processor seconds, and this software GPU a minute.
    await shown.step(backend === "processor" ? 120 : 12);
    await shown.until("disagreement", /k = 1 and k = 3 (agree|disagree)/);
    await page.waitForFunction(() => /At step \d+, bits differ up to the/.test(document.querySelector("[data-testid=climb] .plot-frame").getAttribute("aria-label")));
    if (backend === "processor") {
      // All from one frame, because the run goes on.
      const effect = await page.waitForFunction(() => {
        const [disagreement, right] = ["disagreement", "right-answers"].map((id) => document.querySelector(`[data-testid=${id}]`).textContent);
        return /disagree on \d+ of 64 test images/.test(disagreement) && { right, images: document.querySelectorAll(".gallery li").length };
      });
      const { right, images } = await effect.jsonValue();
      assert.match(right, /^Right of these 64 at step \d+: k.=.1: \d+ %, k.=.3: \d+ %, k.=.2: \d+ %/);
      assert.ok(images > 0);
    }
    assert.match(await shown.text("lamp"), /green/);
    // What follows is the page's work, and SwiftShader would compile everything again.
    if (backend === "webgpu") return;
    // The lowest rate: the run begins again, the curve of the highest stays.
    await shown.get("lr").fill("0");
    await page.locator(".legend li", { hasText: "k = 3, at 0.8" }).waitFor();
    await page.waitForFunction(() => {
      const events = window.events.slice(window.events.findLastIndex(({ kind }) => kind === "opened"));
      return events.some(({ kind }) => kind === "standing");
    });
    await shown.until("disagreement", "k = 1 and k = 3 agree on all 64 test images.");
    await shown.click("start");
    await shown.until("start", "Start");
    await page.getByRole("link", { name: "Open this run in the lab" }).click();
    await shown.until("command", /--activation swish .*--lr 0\.0125 --momentum 0 .*--train-limit 1024/);
  });
});

test("after a fault the story begins again at a press", async () => {
  await site.visit("#/home", async (shown) => {
    await shown.until("error", "the device was lost");
    await shown.until("start", "Restart");
    assert.equal(await shown.number("step"), 0);
    await shown.click("start");
    await shown.step(30);
    await shown.until("start", "Pause");
    assert.equal(await shown.get("error").isVisible(), false);
  }, { script: [fakeEngine, { steps: 30, faults: 1 }] });
});

test("where nothing can train the story is a recorded one", async () => {
  await site.visit("?webgpu=off", async (shown) => {
    await shown.step(5);
    assert.equal(await shown.text("backend"), "recorded");
    assert.match(await shown.text("adapter"), /^Recorded on/);
    assert.equal(await shown.get("climb").count() + (await shown.get("disagreement").count()), 0, "no figure that stays empty");
    await shown.get("lr").fill("0");
    await shown.until("lamp", /green/);
  }, { script: [withoutSimd] });
});

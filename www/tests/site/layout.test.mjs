// Nothing moves while a view loads and takes its first steps, on a phone and on a desk, by the browser's measure of layout
// shift.
import assert from "node:assert/strict";
import { test } from "node:test";

import { openSite } from "./site.mjs";

/** Largest score of a view (the share of the window that moved, times how far); search engines call 0.1 good. */
const MOST = 0.02;
const WIDTHS = [{ width: 390, height: 844 }, { width: 1440, height: 900 }];

/** Addresses, the element and the count that show that the first steps are done, and the button to press first. */
const VIEWS = [
  ["#/home", "step", 40],
  ["#/lab?net=resnet8&width=0.5&batch-size=4&test-limit=8", "step", 3],
  ["#/pde/heat", "heat-step", 10],
  ["#/pde/linear", "linear-measured", 0.5],
  ["#/pde/nonlinear", "nonlinear-step", 16],
  ["#/lesson/1", undefined],
  ["#/lesson/2", undefined],
  ["#/lesson/3", "step", 3, "start"],
  ["#/lesson/4", "heat-step", 10],
  ["#/lesson/5", "nonlinear-step", 16],
  ["#/lesson/6", "step", 3, "start"],
  ["#/lesson/7", "step", 3, "start"],
  ["#/home?present=1", "step", 10],
  ["#/lesson/3?present=1", "step", 3, "start"],
  ["?figure=parting", "step", 10],
  ["?figure=bits", "step", 10],
  ["#/certify", "certify-progress", 3, "certify"],
  // Three digits.
  ["?backend=recorded#/lab", "step", 100],
  // German texts are longer.
  ["?lang=de#/home", "step", 10],
  ["?lang=de#/lab?net=resnet8&width=0.5&batch-size=4&test-limit=8", "step", 3],
  ["?lang=de&backend=recorded#/lab", "step", 100],
  ["?lang=de#/pde/heat", "heat-step", 10],
  ["?lang=de#/pde/linear", "linear-measured", 0.5],
  ["?lang=de#/pde/nonlinear", "nonlinear-step", 16],
  ["?lang=de#/lesson/3", "step", 3, "start"],
  ["?lang=de#/lesson/6", "step", 3, "start"],
  ["?lang=de#/lesson/7", "step", 3, "start"],
  ["?lang=de#/lesson/3?present=1", "step", 3, "start"],
  ["?lang=de#/certify", "certify-progress", 3, "certify"],
];

/** Runs in the page before its scripts: records what moved, and how far, in `window.shifts`. */
function watchShifts() {
  window.shifts = [];
  const words = ({ node, previousRect: from, currentRect: to }) => {
    const name = node?.nodeType === 1 ? `${node.localName}.${node.className}` : String(node?.textContent).slice(0, 30);
    return `${name} ${[from.x, from.y, from.width, from.height].map(Math.round)} to ${[to.x, to.y, to.width, to.height].map(Math.round)}`;
  };
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries()) {
      // A shift after the reader has pressed something is expected.
      if (!hadRecentInput) window.shifts.push({ value, sources: sources.map(words) });
    }
  }).observe({ type: "layout-shift", buffered: true });
}

const site = await openSite();

for (const viewport of WIDTHS) {
  test(`nothing moves while views load and take their first steps, ${viewport.width} pixels wide`, async (t) => {
    const found = [];
    for (const [address, count, least, start] of VIEWS) {
      await site.visit(address, async (shown, page) => {
        if (start !== undefined) {
          // A script clicks, because after a real press the browser excuses shifts for half a second.
          await shown.get("adapter").filter({ hasText: /live/i }).or(shown.get("lr")).or(shown.get("certify")).first().waitFor();
          await shown.get(start).evaluate((button) => button.click());
        }
        if (count === undefined) await page.locator(".exhibit").waitFor();
        else await shown.until(count, (text) => Number.parseFloat(text) >= least, `${least} at ${address}`);
        // Time in which something could still move.
        await page.waitForTimeout(300);
        const shifts = await page.evaluate(() => window.shifts);
        const score = shifts.reduce((sum, { value }) => sum + value, 0);
        t.diagnostic(`${address}: ${score.toFixed(4)}`);
        if (score >= MOST) found.push([address, score, ...shifts.map(({ value, sources }) => [value, ...sources])]);
      }, { viewport, script: [watchShifts] });
    }
    assert.deepEqual(found, []);
  });
}

for (const viewport of WIDTHS) {
  for (const address of ["#/lesson/1", "?lang=de#/lesson/1"]) test(`nothing moves when a chapter shows what to see, ${viewport.width} pixels wide: ${address}`, async () => {
    await site.visit(address, async (shown, page) => {
      await shown.get("bet-0").evaluate((radio) => radio.click());
      // What lies below must be on screen, and painted.
      await page.locator(".pager").scrollIntoViewIfNeeded();
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
      await page.evaluate(() => (window.shifts.length = 0));
      for (const bit of ["bit-0", "bit-23"]) await shown.get(bit).evaluate((button) => button.click());
      await shown.get("sight").waitFor({ state: "visible" });
      await page.waitForTimeout(300);
      assert.deepEqual(await page.evaluate(() => window.shifts), []);
    }, { viewport, script: [watchShifts] });
  });
}

test("the measure notices a shift", async () => {
  await site.visit("#/lesson/1", async (shown, page) => {
    await page.locator(".exhibit").waitFor();
    // Only what has been painted can move.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    await page.evaluate(() => document.querySelector("header").insertAdjacentHTML("beforebegin", "<p>late</p><p>and later</p>"));
    await page.waitForFunction((most) => window.shifts.reduce((sum, { value }) => sum + value, 0) >= most, MOST);
  }, { script: [watchShifts] });
});

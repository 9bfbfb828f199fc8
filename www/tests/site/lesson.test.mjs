// The lesson: each chapter's thing to do shows its thing to see. Keys are used where a reader would use them.
import assert from "node:assert/strict";
import { test } from "node:test";

import { NOT_THERE, openSite, without } from "./site.mjs";

/** Waits until the chapter says that its thing has been seen. */
async function seen(shown) {
  await shown.get("seen").waitFor({ state: "visible" });
}

async function unseen(shown) {
  assert.equal(await shown.get("seen").isVisible(), false, "nothing seen yet");
}

const site = await openSite();

test("chapter 1: the last bit of 0.1", async () => {
  await site.visit("#/lesson/1", async (shown, page) => {
    assert.equal(await shown.text("float-exact"), "0.100000001490116119384765625");
    await unseen(shown);
    await shown.get("bit-0").focus();
    await page.keyboard.press("Space");
    assert.equal(await shown.text("float-moved"), "-7.45e-9");
    assert.equal(await shown.get("bit-0").getAttribute("aria-pressed"), "false");
    await seen(shown);
    await shown.get("float-input").fill("16777217");
    await shown.get("float-input").press("Enter");
    assert.equal(await shown.text("float-exact"), "16777216");
    await shown.get("float-input").fill("a tenth");
    await shown.get("float-input").press("Enter");
    assert.equal(await shown.get("float-input").getAttribute("aria-invalid"), "true");
  });
});

test("chapter 2: k = 3 loses one number in seven, k = 2 none", async () => {
  await site.visit("#/lesson/2", async (shown) => {
    await shown.click("divide-try");
    const share = Number.parseFloat(await shown.text("divide-back-3"));
    assert.ok(share > 13 && share < 14.5, `${share} %`);
    await unseen(shown);
    await shown.get("divisor-2").check();
    await shown.click("divide-try");
    assert.equal(await shown.text("divide-back-2"), "0");
    assert.match(await shown.text("divide-verdict"), /came back/);
    await seen(shown);
  });
});

test("chapter 3: two networks part, the control does not", async () => {
  await site.visit("#/lesson/3", async (shown) => {
    await shown.until("adapter", /SwiftShader|GPU/i);
    assert.equal(await shown.text("step"), "0");
    await shown.click("start");
    await seen(shown);
    assert.equal(await shown.number("differing-k2"), 0);
    assert.ok((await shown.number("differing-k3")) > 1000);
    assert.match(await shown.text("lamp"), /green/);
    await shown.click("pause");
    await shown.click("reset");
    await shown.until("step", "0");
  });
});

test("chapter 4: a step beyond the edge", async () => {
  await site.visit("#/lesson/4", async (shown, page) => {
    await shown.until("heat-step", (text) => Number(text) > 20);
    await unseen(shown);
    await shown.get("heat-dt").fill("0.49");
    await shown.get("heat-dt").focus();
    for (let press = 0; press < 61; press++) await page.keyboard.press("ArrowRight");
    assert.equal(await shown.get("heat-dt").inputValue(), "0.551");
    await shown.until("heat-verdict", "unstable");
    await seen(shown);
  });
});

test("chapter 5: k = 3 parts where the network wanders", async () => {
  await site.visit("#/lesson/5", async (shown) => {
    await shown.until("nonlinear-step", (text) => Number(text) > 30);
    await unseen(shown);
    await shown.get("nonlinear-dt").fill("0.07");
    await seen(shown);
  });
});

test("chapter 6: the highest rate parts, a low one does not", async () => {
  await site.visit("#/lesson/6", async (shown) => {
    await shown.click("start");
    await shown.untilNumber("rel-l1-k3", (distance) => distance > 0.01);
    await unseen(shown);
    await shown.get("lr").fill("2");
    await shown.click("start");
    await seen(shown);
    assert.ok((await shown.number("rel-l1-k3")) < 1e-3);
  });
});

test("a loading error names what failed and offers a reload", async () => {
  await site.visit("#/lesson/1", async (shown, page) => {
    await shown.get("bit-0").waitFor();
    await page.getByRole("link", { name: /Divide and multiply by three →/ }).click();
    await shown.until("error", /^Chapter 2 did not load/);
    assert.equal(await page.getByRole("alert").count(), 1);
    assert.ok(await shown.get("reload").isVisible());
    // The other chapters are still there.
    await page.getByRole("link", { name: "A number is 32 bits" }).click();
    await shown.get("bit-0").waitFor();
    await page.getByRole("link", { name: "Equations" }).click();
    await shown.until("error", /^“Equations” did not load/);
    await page.getByRole("link", { name: "Lesson" }).click();
    await shown.get("bit-0").waitFor();
  }, { prepare: without(/assets\/(chapter2|pde)-.*\.js$/), complaints: [NOT_THERE] });
});

test("chapters are links, notes are shown on demand", async () => {
  await site.visit("#/lesson", async (shown, page) => {
    await shown.get("chapter-1").waitFor();
    assert.equal(await shown.get("teacher").isVisible(), false);
    await shown.click("notes");
    await shown.get("teacher").waitFor({ state: "visible" });
    assert.match(page.url(), /#\/lesson\/1\?notes=1$/);
    await page.getByRole("link", { name: /Divide and multiply by three →/ }).click();
    await shown.get("chapter-2").waitFor();
    assert.match(page.url(), /#\/lesson\/2\?notes=1$/);
    assert.ok(await shown.get("teacher").isVisible(), "the choice goes along");
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), "H1", "a screen reader reads on from here");
    await page.goBack();
    await shown.get("chapter-1").waitFor();
  });
});

// The lesson: each chapter's thing to do shows its thing to see. Keys are used where a reader would use them.
import assert from "node:assert/strict";
import { test } from "node:test";

import { fakeEngine } from "./fake_engine.mjs";
import { NOT_THERE, openSite, without } from "./site.mjs";

/** Waits until the chapter says that its thing has been seen. */
async function seen(shown) {
  await shown.get("seen").waitFor({ state: "visible" });
}

async function unseen(shown) {
  assert.equal(await shown.get("seen").isVisible(), false, "nothing seen yet");
}

const site = await openSite();

/** A function that goes to an address and waits for the element `id` there. */
const mover = (shown, page) => async (hash, id) => {
  await page.evaluate((next) => (location.hash = next), hash);
  await shown.get(id).waitFor();
};

test("chapter 1: the last bit of 0.1", async () => {
  await site.visit("#/lesson/1", async (shown, page) => {
    assert.equal(await shown.text("float-exact"), "0.100000001490116119384765625");
    await unseen(shown);
    await shown.get("bit-0").focus();
    await page.keyboard.press("Space");
    assert.equal(await shown.text("float-moved"), "−7.45\u00a0×\u00a010⁻⁹");
    assert.equal(await shown.get("bit-0").getAttribute("aria-pressed"), "false");
    await unseen(shown);
    await shown.click("bit-23");
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

test("chapter 3: two copies part, the control does not until one bit of it is flipped", async () => {
  await site.visit("#/lesson/3", async (shown, page) => {
    await shown.until("adapter", /Live on your processor/);
    assert.equal(await shown.text("backend"), "processor");
    assert.equal(await shown.text("step"), "0");
    await shown.click("start");
    await shown.untilNumber("differing-k3", (differing) => differing > 1000);
    assert.equal(await shown.number("differing-k2"), 0);
    await unseen(shown);
    assert.match(await shown.text("lamp"), /green/);
    assert.equal(await shown.get("flip-meaning").isVisible(), false);
    await shown.click("flip-bit");
    await shown.until("lamp", /red/);
    await shown.get("flip-meaning").waitFor({ state: "visible" });
    await seen(shown);
    const { step } = await page.evaluate(() => window.events.find(({ what }) => what === "flip-bit"));
    assert.match(await shown.text("flip-meaning"), new RegExp(`flipped after step ${step}, and the lamp turned red`));
    assert.match(await shown.text("lamp"), new RegExp(`from step ${step} on`));
    assert.equal(await shown.get("flip-bit").getAttribute("aria-disabled"), "true");
    await shown.click("pause");
    await shown.click("reset");
    await shown.until("step", "0");
    await shown.get("flip-meaning").waitFor({ state: "hidden" });
    await page.waitForFunction(() => document.querySelector('[data-testid="flip-bit"]').ariaDisabled === "false");
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

test("chapter 7: the highest rate parts, a low one does not, also after the same learning time", async () => {
  await site.visit("#/lesson/7", async (shown, page) => {
    await shown.until("run-on", "Run on");
    assert.equal(await shown.text("backend"), "processor");
    await shown.click("start");
    await shown.untilNumber("rel-l1-k3", (distance) => distance > 0.01);
    await unseen(shown);
    await shown.get("lr").fill("2");
    await shown.click("start");
    await seen(shown);
    assert.ok((await shown.number("rel-l1-k3")) < 1e-3);
    // It pauses at step 100, with the published fingerprints of a run of that length.
    await shown.until("run-on", "0.05: run on to step 200");
    await shown.until("published", /at step 100 are the published ones of class separate/);
    assert.equal(await shown.text("step"), "100");
    await shown.get("axis-time").check();
    await shown.click("run-on");
    await shown.until("step", (text) => Number(text) > 100);
    await shown.click("pause");
    await shown.until("run-on", "0.05: run on to step 200");
    await page.waitForFunction(() => document.querySelector('[data-testid="run-on"]').getAttribute("aria-disabled") === "false");
    await page.getByText("The same run on the command line").click();
    assert.ok(await page.getByText(/--lr 0\.05 --momentum 0 .*--steps 200/).isVisible());
    const labels = await page.locator(".exhibit .legend").nth(1).locator("li").allTextContents();
    assert.deepEqual(labels.map((text) => Number.parseFloat(text)).length, 2, "the loss of each rate");
  });
});

test("runs wait while the reader is in other chapters or views", async () => {
  await site.visit("#/lesson/3", async (shown, page) => {
    const to = mover(shown, page);
    await shown.click("start");
    await shown.step(2);
    // Running: it continues where it was.
    await to("#/lesson/2", "chapter-2");
    await page.waitForFunction(() => window.events.findLast(({ kind }) => kind === "state")?.running === false);
    const left = await page.evaluate(() => window.events.filter(({ kind }) => kind === "steps").length);
    await to("#/lesson/3", "chapter-3");
    assert.ok((await shown.number("step")) >= 2, "the curves are still there");
    await page.waitForFunction((before) => window.events.filter(({ kind }) => kind === "steps").length > before, left);
    // Paused: it stays as it is.
    await shown.click("pause");
    await page.waitForFunction(() => window.events.findLast(({ kind }) => kind === "state").running === false);
    const last = await page.evaluate(() => window.events.findLast(({ kind }) => kind === "steps").rows);
    await shown.until("step", String(Object.values(last).at(-21)));
    const at = await shown.text("step");
    await to("#/certify", "certify");
    await to("#/lesson/7", "chapter-7");
    await shown.click("start");
    await shown.step(1);
    await shown.click("pause");
    await to("#/lesson/3", "chapter-3");
    assert.equal(await shown.text("step"), at);
    assert.equal(await page.evaluate(() => window.events.filter(({ kind }) => kind === "opened").length), 2, "no run has been opened again");
    await to("#/lesson/7", "chapter-7");
    assert.match(await shown.text("step"), /^[1-9]/);
    // Two workers wait at most: those of chapters 3 and 7.
    await to("#/lesson/1", "chapter-1");
    assert.equal(page.workers().length, 2);
    // Without bets the lesson begins again, and the other chapters' runs with it.
    await to("#/lesson/7", "chapter-7");
    await shown.click("clear-bets");
    await to("#/lesson/3", "chapter-3");
    await shown.until("step", "0");
    await to("#/lesson/7", "chapter-7");
    await shown.until("step", "0");
  });
});

test("runs that wait end when something else is to compute", async () => {
  await site.visit("#/lesson/3", async (shown, page) => {
    const to = mover(shown, page);
    await shown.click("start");
    await shown.step(20);
    await shown.click("pause");
    assert.equal(await shown.text("backend"), "processor");
    await to("#/lab", "backend-choice");
    await shown.get("backend-choice").selectOption("webgpu");
    await shown.until("backend", "webgpu");
    await to("#/lesson/3", "chapter-3");
    await shown.until("backend", "webgpu");
    await shown.until("step", "0");
    await shown.click("start");
    await shown.step(20);
  }, { script: [fakeEngine, { steps: 20 }] });
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

test("an address that names nothing says so, until the next navigation", async () => {
  await site.visit("#/unknown", async (shown, page) => {
    await shown.until("unknown", "There is no view “unknown”.");
    await shown.step(1);
    await page.getByRole("link", { name: "Lesson", exact: true }).click();
    await shown.get("chapter-1").waitFor();
    assert.equal(await shown.get("unknown").count(), 0);
    for (const [address, text] of [["#/lesson/9", "There is no chapter “9”."], ["#/pde/caf%C3%A9", "There is no equation “café”."], ["#/lesson/%", "There is no chapter “%”."]]) {
      await page.evaluate((to) => (location.hash = to), address);
      await shown.until("unknown", text);
      assert.equal(await page.locator("main > .page").count(), 2);
    }
    await page.evaluate(() => (location.hash = "#/lesson/2"));
    await shown.get("chapter-2").waitFor();
    assert.equal(await shown.get("unknown").count(), 0);
  });
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

test("bets: changeable, revealed by what is seen or by hand, kept, compared at the end, cleared", async () => {
  await site.visit("#/lesson/1", async (shown, page) => {
    const choice = (index) => shown.get(`bet-${index}`);
    await choice(0).check();
    await choice(0).press("ArrowDown");
    assert.ok(await choice(1).isChecked(), "the arrows choose another answer");
    await choice(2).check();
    assert.equal(await shown.get("sight").isVisible(), false, "nothing is given away");
    await shown.click("bit-0");
    await shown.click("bit-23");
    await seen(shown);
    await shown.get("sight").waitFor({ state: "visible" });
    assert.equal(await shown.text("bet-result"), "You bet: One part in a billion billion. It was: One part in some ten million.");
    await shown.until("bet-status", /^“See” is open\. You bet: One part/);
    assert.ok(await choice(1).isDisabled(), "it is over");

    await page.getByRole("link", { name: /Divide and multiply by three →/ }).click();
    await shown.get("chapter-2").waitFor();
    await shown.get("show-sight").focus();
    await page.keyboard.press("Enter");
    await shown.get("sight").waitFor({ state: "visible" });
    assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), "sight", "the keyboard goes on from there");
    await unseen(shown);
    assert.match(await shown.text("bet-result"), /^You did not bet\. It was: About one in seven\.$/);

    // Kept for another visit.
    await page.reload();
    await shown.get("sight").waitFor({ state: "visible" });
    await page.getByRole("link", { name: "A number is 32 bits" }).first().click();
    await shown.get("chapter-1").waitFor();
    assert.ok(await choice(2).isChecked());
    await seen(shown);

    await page.getByRole("link", { name: "Choose the learning rate" }).first().click();
    await shown.get("bets").waitFor();
    assert.equal(await shown.text("betted-1"), "One part in a billion billion");
    assert.equal(await shown.get("was-1").getByText("One part in some ten million").isVisible(), true);
    assert.equal(await shown.text("betted-2"), "–");
    assert.equal(await shown.get("was-2").getByText("About one in seven").isVisible(), true);
    assert.equal(await shown.get("was-3").getByText("More than a hundredth away").isVisible(), false);
    assert.equal(await shown.text("bet-score"), "Right: 0 of 1 bets that are over.");
    await choice(2).check();
    assert.equal(await shown.text("betted-7"), "More than a thousand times less");
    await shown.click("clear-bets");
    assert.equal(await shown.text("betted-1"), "–");
    assert.equal(await choice(2).isChecked(), false);
    await page.reload();
    await shown.get("bets").waitFor();
    assert.equal(await shown.text("betted-7"), "–");
  });
});

test("bets work without storage", async () => {
  await site.visit("#/lesson/1", async (shown, page) => {
    await shown.get("bet-1").check();
    await shown.click("bit-0");
    await shown.click("bit-23");
    await shown.until("bet-result", "You bet: One part in some ten million. So it was.");
    await page.getByRole("link", { name: "Choose the learning rate" }).first().click();
    await shown.until("bet-score", "Right: 1 of 1 bets that are over.");
  }, { script: [() => Object.defineProperty(window, "localStorage", { get: () => { throw new Error("forbidden"); } })] });
});

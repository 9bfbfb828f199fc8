// The page in a room: presenter mode with the teacher's window, and single figures in the pages of others.
import assert from "node:assert/strict";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

import { serve } from "../server.mjs";
import { openSite } from "./site.mjs";

const site = await openSite();

/** Waits for the place of the talk that the address names. It polls from outside, because a navigation ends what runs in the page. */
async function at(page, address) {
  await page.waitForURL((url) => url.hash === address || url.hash.startsWith(`${address}&`));
}

const isBarVisible = (page) => page.locator("header.bar").isVisible();

test("keys move between the first view, the chapters and the lab, and Escape leaves", async () => {
  await site.visit("?backend=processor#/home?present=1", async (shown, page) => {
    await shown.until("place", "The first view");
    await shown.get("lr").waitFor();
    assert.equal(await isBarVisible(page), false);
    const steps = [["ArrowRight", "#/lesson/1"], ["PageDown", "#/lesson/2"], ["ArrowRight", "#/lesson/3"], ["PageUp", "#/lesson/2"], ["ArrowLeft", "#/lesson/1"], ["ArrowLeft", "#/home"]];
    for (const [key, address] of steps) {
      await page.keyboard.press(key);
      await at(page, `${address}?present=1`);
    }
    await shown.get("lr").waitFor();
    // The first view is the beginning.
    await page.keyboard.press("ArrowLeft");
    assert.ok(await shown.get("previous").isDisabled());
    await page.goto(`${site.url}?backend=processor#/lesson/7?present=1`);
    await shown.get("chapter-7").waitFor();
    assert.equal(await page.locator(".contents").isVisible(), false);
    await page.keyboard.press("ArrowRight");
    // The lab writes its settings into the address, and presenter mode stays.
    await shown.until("command", /^lastbit train/);
    await shown.step(1);
    assert.match(page.url(), /#\/lab\?.*present=1$/);
    assert.equal(await shown.get("error").isVisible(), false, "the lab finds no fault with the address");
    await page.keyboard.press("PageUp");
    await at(page, "#/lesson/7?present=1");
    await page.keyboard.press("Escape");
    await at(page, "#/lesson/7");
    await page.locator(".contents").waitFor();
    assert.ok(await isBarVisible(page));
    assert.equal(await page.locator(".present-bar").count(), 0);
  });
});

test("presenter mode keeps the run on screen, and its type is larger than A+", async () => {
  await site.visit("?backend=processor#/lesson/3", async (shown, page) => {
    await shown.until("adapter", /^Live/);
    await shown.click("start");
    await shown.step(3);
    const size = () => page.evaluate(() => Number.parseFloat(getComputedStyle(document.documentElement).fontSize));
    await page.getByRole("button", { name: "A+" }).click();
    const large = await size();
    await shown.click("present");
    await page.locator("[data-present] .present-bar").waitFor();
    assert.ok((await size()) > large);
    await shown.step(4);
    await page.keyboard.press("p");
    await page.locator(".contents").waitFor();
    assert.equal(await size(), large);
    const opened = await page.evaluate(() => window.events.filter(({ kind }) => kind === "opened").length);
    assert.equal(opened, 1, "the same run");
  });
});

test("the keys p and n can be switched off, also for another visit", async () => {
  await site.visit("#/lesson/1", async (shown, page) => {
    await shown.get("shortcuts").uncheck();
    for (const key of ["p", "n"]) await page.keyboard.press(key);
    await page.reload();
    await shown.get("chapter-1").waitFor();
    assert.equal(await shown.get("shortcuts").isChecked(), false);
    await page.keyboard.press("p");
    // In presenter mode the switch would not be there.
    await shown.get("shortcuts").check();
    assert.equal(page.context().pages().length, 1, "no notes");
    await page.keyboard.press("p");
    await at(page, "#/lesson/1?present=1");
  });
});

test("sliders, radio buttons, plots and text fields keep their arrows", async () => {
  await site.visit("?backend=processor#/home?present=1", async (shown, page) => {
    await shown.step(3);
    await shown.until("place", "The first view");
    await shown.get("lr").focus();
    const before = Number(await shown.get("lr").inputValue());
    await page.keyboard.press("ArrowLeft");
    assert.equal(Number(await shown.get("lr").inputValue()), before - 1);
    // The new run has a step, and so its plot takes arrows.
    await page.locator(".legend li", { hasText: "k = 3, at 0.8" }).waitFor();
    await shown.step(3);
    await page.locator(".main-plot .plot-frame").focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowLeft");
    assert.match(page.url(), /#\/home\?present=1$/);
    await page.goto(`${site.url}#/lesson/2?present=1`);
    await shown.get("divisor-3").focus();
    await page.keyboard.press("ArrowLeft");
    assert.ok(await shown.get("divisor-2").isChecked());
    await page.goto(`${site.url}#/lesson/1?present=1`);
    await shown.get("float-input").focus();
    for (const key of ["ArrowRight", "PageDown", "p", "n"]) await page.keyboard.press(key);
    assert.equal(await shown.get("float-input").inputValue(), "0.1pn");
    assert.match(page.url(), /#\/lesson\/1\?present=1$/);
  });
});

test("links within a talk stay in presenter mode", async () => {
  await site.visit("#/lesson/1?present=1", async (shown, page) => {
    await shown.until("place", "A number is 32 bits");
    await shown.get("chapter-1").waitFor();
    await page.evaluate(() => document.querySelector(".reading").append(Object.assign(document.createElement("a"), { href: "#/lesson/2", textContent: "on" })));
    await page.getByRole("link", { name: "on", exact: true }).click();
    await at(page, "#/lesson/2?present=1");
  });
});

test("the teacher's window shows notes, and the two windows follow each other", async () => {
  await site.visit("?backend=processor#/lesson/3", async (shown, page) => {
    await shown.get("chapter-3").waitFor();
    const [second] = await Promise.all([page.context().waitForEvent("page"), shown.click("open-notes")]);
    const notes = (id) => second.getByTestId(id);
    await notes("speaker-title").filter({ hasText: await page.locator("h1").textContent() }).waitFor();
    await notes("speaker-where").filter({ hasText: "Chapter 3 of 7" }).waitFor();
    await notes("speaker-next").filter({ hasText: "Next: A step that is too long" }).waitFor();
    await notes("speaker-notes").locator("li").first().waitFor();
    assert.ok((await notes("speaker-notes").locator("dt").count()) > 0, "questions");
    assert.match(await notes("elapsed").textContent(), /^\d+:\d\d$/);
    assert.equal(await second.locator("header.bar").isVisible(), false);
    // The first window presents from now on.
    await at(page, "#/lesson/3?present=1");
    await shown.get("place").waitFor();
    await notes("next").click();
    await at(page, "#/lesson/4?present=1");
    await shown.get("chapter-4").waitFor();
    await notes("speaker-where").filter({ hasText: "Chapter 4 of 7" }).waitFor();
    await page.keyboard.press("PageDown");
    await at(page, "#/lesson/5?present=1");
    await notes("speaker-where").filter({ hasText: "Chapter 5 of 7" }).waitFor();
    await second.keyboard.press("PageUp");
    await at(page, "#/lesson/4?present=1");
    await notes("speaker-where").filter({ hasText: "Chapter 4 of 7" }).waitFor();
    // A window that leaves the talk is missed, and found again.
    await page.keyboard.press("Escape");
    await notes("alone").waitFor({ state: "visible" });
    await page.keyboard.press("p");
    await notes("alone").waitFor({ state: "hidden" });
    // The notes are closed and opened by hand: they go where the talk is.
    await second.close();
    const third = await page.context().newPage();
    await third.goto(`${site.url}#/lesson/1?speaker=1`);
    await third.getByTestId("speaker-where").filter({ hasText: "Chapter 4 of 7" }).waitFor();
  });
});

test("a second window that the browser blocks can be opened by hand", async () => {
  await site.visit("#/lesson/2", async (shown, page) => {
    await shown.get("chapter-2").waitFor();
    await page.keyboard.press("n");
    await shown.get("blocked").waitFor();
    await at(page, "#/lesson/2?present=1");
    const [second] = await Promise.all([page.context().waitForEvent("page"), page.getByRole("link", { name: "Open the notes by hand" }).click()]);
    await second.getByTestId("speaker-where").filter({ hasText: "Chapter 2 of 7" }).waitFor();
    assert.equal(await shown.get("blocked").count(), 0);
  }, { script: [() => (window.open = () => null)] });
});

test("a figure alone shows a curve that grows, and its button pauses it", async () => {
  await site.visit("?figure=parting&backend=processor", async (shown, page) => {
    await shown.step(3);
    assert.equal(await shown.text("backend"), "processor");
    // A row is the step, its epoch and rate, and then a value of each copy for each column: losses, and distances.
    const begin = await page.evaluate(() => window.events.find(({ kind }) => kind === "steps").rows[3 + 3 + 1]);
    assert.ok(begin < 1e-6, `k = 3 begins ${begin} from k = 1`);
    await page.waitForFunction(() => Number(document.querySelector(".legend .k-c0 output")?.textContent) > 0.001);
    assert.deepEqual(await page.locator("button:visible, select:visible, input:visible").allTextContents(), ["Pause"], "no other control");
    assert.equal(await page.locator("header").count(), 0);
    const link = shown.get("page");
    assert.deepEqual([await link.getAttribute("target"), await link.getAttribute("href")], ["_top", "./"]);
    await shown.click("play");
    await shown.until("play", "Play");
    const paused = await shown.number("step");
    await shown.click("play");
    await shown.step(paused + 3);
    // It fills its frame, and no more.
    const [height, seen] = await page.evaluate(() => [document.documentElement.scrollHeight, innerHeight]);
    assert.ok(height <= seen, `${height} pixels in ${seen}`);
  }, { viewport: { width: 480, height: 320 } });
});

test("every figure shows something, fills its frame and stays in it", async () => {
  const figures = {
    bits: (shown, page) => page.getByRole("img", { name: /At step \d+, bits differ/ }).waitFor(),
    consequence: (shown) => shown.until("disagreement", /k = 1 and k = 3 (agree|disagree)/),
    filters: (shown, page) => page.getByRole("img", { name: /Filters of .*difference/ }).waitFor(),
    layers: (shown, page) => page.getByRole("img", { name: /Relative L1 of [1-9]\d* layers at [1-9]/ }).waitFor(),
    heat: (shown) => shown.step(20),
    nonlinear: (shown) => shown.step(40),
  };
  for (const [name, ready] of Object.entries(figures)) {
    await site.visit(`?figure=${name}&backend=processor`, async (shown, page) => {
      await ready(shown, page);
      const [width, height] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight]);
      assert.ok(width <= 480 && height <= 320, `${name}: ${width} by ${height}`);
      const { height: frame } = await page.locator(".lone-figure").boundingBox();
      assert.ok(frame > 200, `${name}: ${frame} pixels of 320`);
    }, { viewport: { width: 480, height: 320 } });
  }
});

test("an equation alone pauses, continues and begins again", async () => {
  await site.visit("?figure=heat&dt=0.4&backend=processor", async (shown, page) => {
    await shown.step(2);
    await shown.click("play");
    await shown.until("play", /Play|Again/);
    if ((await shown.text("play")) === "Play") await shown.click("play");
    await shown.step(120);
    await shown.until("play", "Again");
    await shown.get("step").evaluate((output) => {
      window.steps = [];
      new MutationObserver(() => window.steps.push(Number(output.textContent))).observe(output, { childList: true, characterData: true, subtree: true });
    });
    await shown.click("play");
    await page.waitForFunction(() => window.steps.some((step) => step < 120));
    assert.equal(await shown.get("page").getAttribute("href"), "./#/pde/heat?dt=0.4");
  });
});

test("the settings of a figure's run are those of the lab, and its link leads to that run", async () => {
  await site.visit("?figure=layers&net=one-layer&dataset=synthetic&batch-size=1&lr=0.01&momentum=0&weight-decay=20&steps=5&colour=red", async (shown, page) => {
    await shown.until("play", "Again");
    assert.equal(await shown.number("step"), 5);
    assert.match(await shown.text("problems"), /^Note: colour is not known\.$/);
    assert.match(await shown.get("page").getAttribute("href"), /^\.\/#\/lab\?.*steps=5/);
    await shown.click("play");
    await page.waitForFunction(() => window.events.filter(({ kind }) => kind === "opened").length === 2);
    await shown.until("play", "Again");
  });
});

test("images that the host does not have are named", async () => {
  await site.visit("?figure=parting&dataset=cifar10&backend=processor", async (shown) => {
    await shown.until("error", /data_batch|cifar/i);
  });
});

test("where nothing can train a figure plays a recorded run, and says so", async () => {
  await site.visit("?figure=parting&backend=recorded", async (shown) => {
    await shown.step(5);
    assert.match(await shown.text("problems"), /recorded run at learning rate 0\.8/);
    await shown.click("play");
    await shown.until("play", "Play");
  });
});

test("an unknown figure is one line with the names of all", async () => {
  for (const name of ["other", "constructor", ""]) {
    await site.visit(`?figure=${name}`, async (shown, page) => {
      await shown.until("error", `There is no figure “${name}”. Use one of parting, bits, consequence, filters, layers, heat, nonlinear.`);
      assert.equal(await page.locator("button, canvas").count(), 0);
    });
  }
});

test("a page of another origin embeds a figure", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lastbit-room-"));
  await writeFile(join(folder, "index.html"), `<!doctype html><title>A course</title><p>Text</p><iframe src="${site.url}?figure=parting&amp;backend=processor" title="Two copies part" width="480" height="320"></iframe>`);
  const course = await serve({ "/": folder });
  after(() => course.server.close());
  const context = await site.browser.newContext();
  try {
    const page = await context.newPage();
    const heard = [];
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && !/favicon/.test(message.location().url) && heard.push(message.text()));
    page.on("pageerror", (error) => heard.push(error.message));
    await page.goto(course.url);
    assert.notEqual(new URL(course.url).origin, new URL(site.url).origin);
    const frame = page.frameLocator("iframe");
    await frame.getByTestId("step").filter({ hasText: /^\d\d+$/ }).waitFor();
    await frame.locator(".legend li", { hasText: "k = 3" }).locator("output").filter({ hasText: /\d/ }).waitFor();
    // The link replaces the course's page, not the frame.
    await frame.getByTestId("page").click();
    await page.waitForURL((url) => url.origin === new URL(site.url).origin);
    await page.getByTestId("lr").waitFor();
    assert.deepEqual(heard, []);
  } finally {
    await context.close();
  }
});

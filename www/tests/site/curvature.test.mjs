// Curvature and growth while a run trains, the names of perturbed copies, and chapter 6, which shows what the curvature is for.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { fakeEngine } from "./fake_engine.mjs";
import { openSite, withoutSimd } from "./site.mjs";

const site = await openSite();

/** A run that trains in a second: full batches of a small network. */
const SMALL = "net=mlp1&width=0.25&activation=swish:1&loss=mse&batch-size=16&train-limit=16&test-limit=8&momentum=0&weight-decay=0&augment=false&shuffle=false&epochs=1000&eval-every=0&lr=0.01";

/** Waits until the newest run is finished, and all of it is on screen. */
async function finished(shown, step) {
  await shown.until("step", String(step));
  await shown.page.waitForFunction(() => window.events.findLast(({ kind }) => kind === "state")?.finished === true);
}

/** The text that a click on `id` downloads. */
async function downloaded(shown, id) {
  const download = shown.page.waitForEvent("download");
  await shown.click(id);
  return readFile(await (await download).path(), "utf8");
}

/** The cells of the table of measurements, row by row. */
const rowsOf = (page) => page.locator(".curvature tbody tr").evaluateAll((rows) => rows.map((row) => [...row.children].map(({ textContent }) => textContent)));

for (const backend of ["processor", "webgpu"]) test(`${backend}: the lab draws the curvature that a run measures, and saves the native program's lines`, async () => {
  await site.visit(`?backend=${backend}#/lab?${SMALL}&ks=1,3,2&steps=20&sharpness=10&sharpness-images=16`, async (shown, page) => {
    await finished(shown, 20);
    await shown.until("curvature-line", /^After step 20: largest eigenvalue [\d.]+, Batch Sharpness [\d.]+; 2\/lr is 200\.$/);
    const plot = shown.get("curvature").locator("figure.plot");
    assert.deepEqual((await plot.locator(".legend li").allTextContents()).map((text) => text.replace(/[\d.]+$/, "")), ["largest eigenvalue", "Batch Sharpness", "2/lr"]);
    // The keyboard moves through the measurements; the table has them all.
    await plot.locator(".plot-frame").focus();
    await page.keyboard.press("ArrowLeft");
    await page.waitForFunction(() => document.querySelector(".curvature figcaption .note").textContent === "step 10");
    await shown.get("curvature").locator("summary").click();
    const rows = await rowsOf(page);
    assert.deepEqual(rows.map(([step, , , edge]) => [step, edge]), [["0", "200"], ["10", "200"], ["20", "200"]]);
    assert.equal(await shown.get("growth").isVisible(), false, "no growth is measured");
    const lines = await downloaded(shown, "measured");
    const values = lines.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(values.map(({ kind, step }) => [kind, step]), [["curvature", 0], ["curvature", 10], ["curvature", 20]]);
    if (backend === "webgpu") return;
    const folder = await mkdtemp(join(tmpdir(), "lastbit-site-"));
    try {
      const command = (await shown.text("command")).replace(/^lastbit /, "").replace("runs/lab", join(folder, "run"));
      execFileSync(site.lastbit, [...command.trim().split(/\s+/), "--quiet"], { stdio: "pipe" });
      const native = (await readFile(join(folder, "run", "metrics.jsonl"), "utf8")).split("\n").filter((line) => line.includes('"kind":"curvature"'));
      assert.equal(lines, native.map((line) => `${line}\n`).join(""), "byte for byte");
    } finally {
      await rm(folder, { recursive: true });
    }
    // Another run that measures nothing hides the plot.
    await page.getByText("More", { exact: true }).click();
    await shown.get("sharpness").fill("");
    await shown.get("sharpness").press("Enter");
    await shown.get("curvature").waitFor({ state: "hidden" });
    assert.equal(await shown.get("measured").isVisible(), false);
  });
});

test("pinned curvature stays beside that of another run, measured at other steps", async () => {
  await site.visit(`?backend=processor#/lab?${SMALL}&ks=1,3&steps=12&sharpness=6&sharpness-images=16`, async (shown, page) => {
    await finished(shown, 12);
    await shown.click("pin");
    await page.getByText("More", { exact: true }).click();
    await shown.get("sharpness").fill("4");
    await shown.get("sharpness").press("Enter");
    await page.waitForFunction(() => window.events.filter(({ kind }) => kind === "opened").length === 2);
    await shown.until("curvature-line", /^After step 12/);
    const legend = shown.get("curvature").locator(".legend li").first();
    assert.match(await legend.textContent(), /^largest eigenvalue, pinned/);
    await shown.get("curvature").locator("summary").click();
    assert.deepEqual((await rowsOf(page)).map(([step]) => step), ["0", "4", "8", "12"]);
  });
});

test("perturbed copies have the native program's names in legends, tables, files and the lamp", async () => {
  const perturb = "none,3:ulp:1,none,3:gaussian:0.01";
  await site.visit(`?backend=processor#/lab?${SMALL}&ks=1,1,1,1&steps=6&perturb=${perturb}`, async (shown, page) => {
    await finished(shown, 6);
    const names = ["undisturbed", "1 ulp before step 3", "undisturbed (no. 2)", "gaussian 0.01 before step 3"];
    const shownNames = async () => (await page.locator(".numbers").last().locator("tbody th").allTextContents()).map((text) => text.trim());
    assert.deepEqual(await shownNames(), [`${names[0]} reference`, names[1], `${names[2]} control`, names[3]]);
    const legend = await page.locator("figure.plot").first().locator(".legend li").allTextContents();
    assert.deepEqual(legend.slice(0, 3).map((text) => names.find((name) => name === text || (text.startsWith(name) && !text.startsWith(`${name} (`)))), names.slice(1));
    assert.equal(await shown.text("lamp"), "Control greenundisturbed (no. 2) equals undisturbed in every bit, as it must.");
    assert.equal(await shown.number("differing-undisturbed-2"), 0);
    assert.ok((await shown.number("rel-l1-gaussian-0.01-before-step-3")) > 1e-4);
    const csv = await downloaded(shown, "csv");
    assert.match(csv, /^step,epoch,lr,loss_undisturbed,loss_1-ulp-before-step-3,loss_undisturbed-2,loss_gaussian-0\.01-before-step-3,/);
    // Equal until the step of the perturbation.
    const columns = csv.split("\n")[0].split(",");
    const distances = csv.trim().split("\n").slice(1).map((line) => Number(line.split(",")[columns.indexOf("rel_l1_gaussian-0.01-before-step-3")]));
    assert.deepEqual(distances.map((distance) => distance > 0), [false, false, true, true, true, true]);
    assert.match(await shown.text("command"), / --perturb none,3:ulp:1,none,3:gaussian:0\.01 /);
  });
});

test("perturbations are typed in the form; a wrong one gets one line with the remedy", async () => {
  await site.visit(`?backend=processor#/lab?${SMALL}&ks=1,1&steps=6`, async (shown, page) => {
    await finished(shown, 6);
    await page.getByText("More", { exact: true }).click();
    const field = shown.get("perturb");
    const enter = async (text) => {
      await field.fill(text);
      await field.press("Enter");
    };
    await enter("none,3:ulps:1");
    assert.equal(await field.getAttribute("aria-invalid"), "true");
    assert.match(await field.evaluate((input) => input.validationMessage), /^Perturbations of weights must be a list of none or STEP:KIND:SIZE.*such as none,100:ulp:1$/);
    assert.equal(await page.evaluate(() => window.events.filter(({ kind }) => kind === "opened").length), 1, "no other run");
    // What only the core knows: how many copies there are.
    await enter("none,3:ulp:1,none");
    await page.getByRole("alert").getByText(/perturb.*give one entry for each of the 2 replicas, `none` for the undisturbed ones, as in none,100:ulp:1; not 3/).waitFor();
    await enter("none, 3:ulp:1");
    await finished(shown, 6);
    await shown.get("differing-1-ulp-before-step-3").waitFor();
    assert.match(page.url(), /perturb=none%2C3%3Aulp%3A1|perturb=none,3:ulp:1/);
  });
});

test("a run whose copies return to their distances shows its exponent", async () => {
  await site.visit(`?backend=processor#/lab?${SMALL}&ks=1,1,1&steps=12&lyapunov=4&lyapunov-distances=0.001,0.01`, async (shown, page) => {
    await finished(shown, 12);
    const legend = shown.get("growth").locator(".legend li");
    await page.waitForFunction(() => document.querySelectorAll("[data-testid=growth] .legend li").length === 2);
    assert.deepEqual((await legend.allTextContents()).map((text) => text.slice(0, "at distance 1e-3".length)), ["at distance 1e-3", "at distance 1e-2"]);
    await page.waitForFunction(() => /\d/.test(document.querySelector("[data-testid=growth] .legend output").textContent));
    assert.equal(await shown.get("curvature").isVisible(), false);
    assert.match(await shown.text("lamp"), /^No controlEvery copy but the first is displaced\.$/);
    const lines = (await downloaded(shown, "measured")).trim().split("\n");
    assert.deepEqual(lines.map((line) => [JSON.parse(line).kind, JSON.parse(line).step]), [["growth", 4], ["growth", 8], ["growth", 12]]);
  });
});

test("chapter 6: sharpness rises to 2/lr and stays there, and k = 3 parts beyond; below the edge it does not", async () => {
  await site.visit("?backend=processor#/lesson/6", async (shown, page) => {
    assert.equal(await shown.get("seen").isVisible(), false);
    assert.equal(await shown.number("edge"), 40);
    await shown.click("start");
    await shown.get("seen").waitFor({ state: "visible" });
    await finished(shown, 240);
    await shown.until("curvature-line", /^After step 240/);
    await shown.get("curvature").locator("summary").click();
    const sharpness = (await rowsOf(page)).map(([step, value]) => [Number(step), Number(value)]);
    // What the chapter says.
    const at = (step) => sharpness.find(([of]) => of === step)[1];
    assert.equal(Math.round(at(0)), 13);
    assert.ok(at(100) < 40 && at(120) > 40 && at(150) > 45, "it crosses 40 at about step 110, and goes on to about 50");
    for (const [step, value] of sharpness) if (step >= 180) assert.ok(Math.abs(value - 40) < 4, `${value} after step ${step}`);
    assert.match(await shown.text("lamp"), /green/);
    // At 0.025 the edge is out of reach, and the run before stays as a curve.
    await shown.get("lr").fill("0");
    await shown.until("start", "Run at 0.025");
    await shown.click("start");
    await shown.untilNumber("edge", (edge) => edge === 80);
    await shown.until("curvature-line", /^After step 240: .*2\/lr is 80/);
    assert.ok((await shown.number("sharpness")) < 80);
    assert.ok((await shown.number("rel-l1-k3")) < 1e-5);
    assert.match(await shown.get("curvature").locator(".legend li").first().textContent(), /^largest eigenvalue, 0\.05/);
    const link = await page.getByRole("link", { name: "Open this run in the lab" }).getAttribute("href");
    assert.match(link, /#\/lab\?.*lr=0\.025/);
  });
});

test("chapter 6 plays a recorded run where nothing can train", async () => {
  await site.visit("?webgpu=off#/lesson/6", async (shown) => {
    await shown.click("start");
    await shown.get("seen").waitFor({ state: "visible" });
    assert.match(await shown.text("adapter"), /^Recorded: mlp2 on real images/);
    assert.equal(await shown.get("lr").count(), 0, "it has one learning rate");
  }, { script: [withoutSimd] });
});

test("a run without measurements has no plot of them", async () => {
  await site.visit("#/lab?ks=1,3,2", async (shown) => {
    await shown.step(10);
    for (const id of ["curvature", "growth", "measured"]) assert.equal(await shown.get(id).isVisible(), false, id);
  }, { script: [fakeEngine, { steps: 10 }] });
});

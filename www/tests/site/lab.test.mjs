// The lab: a run that starts by itself and follows commands.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { serve } from "../server.mjs";
import { fakeEngine } from "./fake_engine.mjs";
import { images, labels } from "./files.mjs";
import { refuseMemory, setMemory } from "./refuse_memory.mjs";
import { NOT_THERE, openSite, Site, without } from "./site.mjs";

/** A ResNet-8 whose steps are quick on a software adapter. */
const RESNET = "net=resnet8&width=0.5&batch-size=4&test-limit=8";
/** A network of few kernels whose copies part soon. */
const MLP = "net=mlp2&width=0.25&batch-size=4&test-limit=8";
/** A network that opens in a second, for tests in which the network does not matter. */
const ONE_LAYER = "net=one-layer&batch-size=1&lr=0.01&momentum=0&weight-decay=20&test-limit=8";

/** Runs in the page: whether the worker has reported that nothing runs, and the step on screen is the last that it reported. */
function isAtRest() {
  const { rows } = window.events.findLast(({ kind }) => kind === "steps");
  const { ks } = window.events.findLast(({ kind }) => kind === "opened");
  const last = rows[rows.length - (3 + 6 * ks.length)];
  const { running } = window.events.findLast(({ kind }) => kind === "state");
  return !running && Number(document.querySelector('[data-testid="step"]').textContent) === last;
}

/** Waits until the newest run has taken `least` steps. The step on screen may still be that of the run before. */
function stepOfNewestRun(page, least) {
  return page.waitForFunction((least) => {
    const events = window.events.slice(window.events.findLastIndex(({ kind }) => kind === "opened"));
    if (events[0]?.kind !== "opened") return false;
    const { ks } = events[0];
    const rows = events.findLast(({ kind }) => kind === "steps")?.rows;
    return rows !== undefined && rows[rows.length - (3 + 6 * ks.length)] >= least;
  }, least);
}

/** Waits until the `n`th run of the page has opened. */
function openedRun(page, n) {
  return page.waitForFunction((n) => window.events.filter(({ kind }) => kind === "opened").length === n, n);
}

/**
 * The fingerprint and the distance on screen of the replica `r` with k = `k`, once the newest run is finished and all of its last
 * step is on screen: both from one frame.
 */
async function finalNumbers(page, k, r) {
  const numbers = await page.waitForFunction(([k, r]) => {
    const events = window.events.slice(window.events.findLastIndex(({ kind }) => kind === "opened"));
    if (!events.some(({ kind, finished }) => kind === "state" && finished)) return false;
    const cell = (id) => document.querySelector(`[data-testid="${id}"]`);
    const { rows } = events.findLast(({ kind }) => kind === "steps");
    const step = rows[rows.length - (3 + 6 * events[0].ks.length)];
    const fingerprint = events.findLast(({ kind, replica }) => kind === "layers" && replica === r).fingerprint;
    const isShown = Number(cell("step").textContent) === step && cell(`fingerprint-k${k}`).textContent === fingerprint;
    return isShown && { fingerprint, distance: cell(`rel-l1-k${k}`).dataset.value };
  }, [k, r]);
  return numbers.jsonValue();
}

/** The lines of a file that a click on `id` downloads. */
async function downloaded(shown, id) {
  const download = shown.page.waitForEvent("download");
  await shown.click(id);
  return (await readFile(await (await download).path(), "utf8")).trim().split("\n");
}

const query = (page) => new URLSearchParams(new URL(page.url()).hash.split("?")[1] ?? "");

const site = await openSite();

// SwiftShader compiles the kernels of a ResNet for a minute.
for (const [backend, adapter, net] of [["webgpu", /SwiftShader/, MLP], ["processor", /your processor/, RESNET]]) test(`${backend}: the lab trains by itself, k = 3 parts, k = 2 does not, and commands are followed`, async (t) => {
  await site.visit(`?backend=${backend}#/lab?${net}&ks=1,2,3`, async (shown, page) => {
    await shown.step(1);
    const first = await page.evaluate(() => window.events.find(({ kind }) => kind === "steps").at);
    t.diagnostic(`first step reported after ${(first / 1000).toFixed(1)} s`);
    await shown.click("start"); // no effect while it runs
    await shown.step(30);
    await shown.untilNumber("rel-l1-k3", (distance) => distance > 1e-3);
    assert.equal(await shown.number("differing-k2"), 0);
    assert.ok((await shown.number("loss-k1")) > 0);
    assert.match(await shown.text("lamp"), /green/);
    assert.equal(await shown.text("backend"), backend);
    assert.match(await shown.text("adapter"), adapter);
    // A software adapter gets other tiles than a GPU.
    assert.ok(await page.evaluate(() => window.events.find(({ kind }) => kind === "opened").adapter.software));
    assert.equal(await shown.get("error").isVisible(), false);
    // Weights arrive at most four times a second; bits of k = 3 are lit soon.
    await page.locator(".bit-table .k-c0 b").first().waitFor();
    const rows = page.locator(".bit-table tr");
    assert.equal(await rows.count(), 9, "three weights in three replicas");
    assert.equal(await rows.first().locator(".bits :is(i, b)").count(), 32);
    assert.equal(await page.locator(".bit-table .k-ctl b").count(), 0, "none of k = 2");

    await shown.click("pause");
    await page.waitForFunction(isAtRest);
    const paused = await shown.number("step");
    await shown.click("pause"); // no effect either
    // The file below has exactly the steps that follow, so the run is paused.
    await shown.click("single-step");
    await shown.until("step", String(paused + 1), `step ${paused + 1}`);

    await shown.get("lr").fill("0.01");
    await page.waitForFunction((step) => location.hash.includes(`lr-changes=${step}:0.01`), paused + 2);
    await shown.click("single-step");
    await shown.until("step", String(paused + 2));
    const csv = await downloaded(shown, "csv");
    const rates = csv.slice(1).map((line) => line.split(",")[2]);
    assert.deepEqual(rates.slice(paused), ["0.1", "0.01"], "the learning rate of the last steps");
    assert.equal(csv.length, paused + 3);
    assert.match(await shown.text("command"), new RegExp(`--lr-changes ${paused + 2}:0.01`));

    const flip = shown.get("flip-bit");
    assert.equal(await flip.getAttribute("aria-disabled"), "false");
    await flip.click();
    assert.equal(await flip.getAttribute("aria-disabled"), "true");
    await page.waitForFunction(() => location.hash.includes("flip-bit="));
    // A run has at most one flipped bit: a second press has no effect, and the button says why.
    assert.match(await flip.getAttribute("title"), /already has a flipped bit\. Reset/);
    const flipped = () => page.evaluate(() => window.events.filter(({ kind, what }) => kind === "changed" && what === "flip-bit").length);
    await flip.press("Enter");
    assert.equal(await flipped(), 1);
    await shown.click("single-step");
    await shown.until("lamp", /red/);
    assert.ok((await shown.number("differing-k2")) >= 1);
    assert.equal(await flipped(), 1);

    await shown.click("reset");
    await page.waitForFunction(() => document.querySelector('[data-testid="flip-bit"]').ariaDisabled === "false");
    await shown.until("step", "0");
    assert.equal(query(page).get("lr"), "0.01", "the rate that was set last");
    assert.equal(query(page).get("lr-changes") ?? query(page).get("flip-bit"), null);
    await shown.until("lamp", (text) => !/red/.test(text));
    await shown.click("start");
    await shown.step(2);
  });
});

test("a long run is drawn with as many points as fit, and zooms", async () => {
  await site.visit("#/lab?ks=1,3,2", async (shown, page) => {
    await shown.step(20_000);
    assert.match(await shown.text("lamp"), /green/);
    const plot = page.locator("figure.plot").first();
    const box = await plot.locator(".u-over").boundingBox();
    const middle = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * 0.4, middle);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, middle, { steps: 3 });
    await page.mouse.up();
    const zoomOut = plot.getByRole("button", { name: "Zoom out" });
    await zoomOut.waitFor();
    // A quarter of the zoomed range; of all steps it would be 5,000. The plot zooms in a later frame, and reads the pointer only when
    // it moves, so it moves until it is read.
    const isZoomed = () => page.evaluate(() => {
      const under = Number(/^step (\d+)$/.exec(document.querySelector("figure.plot .note").textContent)?.[1]);
      return under > 7500 && under < 10_000;
    });
    for (let moves = 0; !(await isZoomed()); moves++) {
      assert.ok(moves < 2000, "the pointer is read in the zoomed range");
      await page.mouse.move(box.x + box.width * 0.25 + (moves % 2), middle);
      await page.waitForTimeout(50);
    }
    await zoomOut.click();
    await zoomOut.waitFor({ state: "hidden" });
  }, { script: [fakeEngine, { steps: 20_000 }] });
});

test("the one-layer network has a note on why its copies come together again", async () => {
  await site.visit(`#/lab?${ONE_LAYER}&steps=1`, async (shown, page) => {
    await shown.get("one-layer-note").waitFor({ state: "visible" });
    await page.evaluate((to) => (location.hash = to), `#/lab?${RESNET}&steps=1`);
    await shown.get("one-layer-note").waitFor({ state: "hidden" });
  });
});

/** Waits until the page has heard that the run which it opened last on a fake engine has taken `step` steps, and is finished if it `ends`. */
function trained(page, step, ends = false) {
  // Three replicas.
  return page.waitForFunction(([step, ends, row]) => {
    const { run } = window.commands.findLast(({ kind }) => kind === "open");
    const events = window.events.filter((event) => event.run === run);
    const stepped = events.some(({ kind, rows }) => kind === "steps" && rows.at(-row) >= step);
    return stepped && (!ends || events.some(({ kind, finished }) => kind === "state" && finished));
  }, [step, ends, 3 + 6 * 3]);
}

/** Types a seed, which opens another run. */
async function enterSeed(shown, seed) {
  await shown.get("seed").fill(String(seed));
  await shown.get("seed").press("Enter");
  await shown.page.waitForFunction((seed) => location.hash.includes(`seed=${seed}`), seed);
}

/** The kinds of the commands to a fake engine from the newest run on, and the config of that run. */
function newestRun(page) {
  return page.evaluate(() => {
    const commands = window.commands.slice(window.commands.findLastIndex(({ kind }) => kind === "open"));
    return { config: commands[0].config, kinds: commands.map(({ kind }) => kind) };
  });
}

test("a run trains if the user wants it to, however quickly the controls change", async () => {
  await site.visit("#/lab?ks=1,3,2", async (shown, page) => {
    await shown.step(5);
    await enterSeed(shown, 2);
    await enterSeed(shown, 3); // before the run of seed 2 has opened
    const { config, kinds } = await newestRun(page);
    assert.equal(config.seed, 3);
    assert.ok(kinds.includes("start"), String(kinds));
    await trained(page, 5);
    await enterSeed(shown, 4);
    await shown.click("pause"); // before the run of seed 4 has opened
    await enterSeed(shown, 5);
    assert.ok(!(await newestRun(page)).kinds.includes("start"), "a paused lab stays paused");
    await shown.click("start");
    await trained(page, 5);
  }, { script: [fakeEngine, { steps: 5, opensAfter: 1000 }] });
});

test("Start begins a finished run again, and another run pins its curves", async () => {
  await site.visit("#/lab?ks=1,3,2&seed=9", async (shown, page) => {
    const runs = () => page.evaluate(() => window.commands.filter(({ kind }) => kind === "open").length);
    const finished = page.getByText("finished, Start begins again");
    await finished.waitFor();
    assert.equal(await shown.get("single-step").getAttribute("aria-disabled"), "true");
    await shown.click("start");
    assert.equal(await runs(), 2);
    await trained(page, 12, true);
    const { config, kinds } = await newestRun(page);
    assert.ok(config.seed === 9 && kinds.includes("start"), "the same run");

    await shown.get("lr").fill("0.05");
    await page.waitForFunction(() => location.hash.includes("lr=0.05"));
    await page.locator(".legend").getByText(/k = 3, pinned/).first().waitFor();
    assert.match(await shown.text("pin-note"), /finished run stays/);
    assert.equal(await shown.get("pin").getAttribute("aria-pressed"), "true");
    await trained(page, 12, true);
    assert.equal((await newestRun(page)).config.lr, 0.05);
    // Curves that the user has pinned stay.
    await shown.click("pin");
    assert.equal(await shown.text("pin-note"), "");
    await shown.click("pin");
    await enterSeed(shown, 10);
    assert.equal(await shown.text("pin-note"), "");
    assert.equal(await shown.get("pin").getAttribute("aria-pressed"), "true");
  }, { script: [fakeEngine, { steps: 12, total: 12 }] });
});

test("numbers are written for people, and plainly for programs", async () => {
  await site.visit("#/lab?ks=1,3,2", async (shown, page) => {
    await shown.until("max-ulp-k3", "2.1 billion");
    assert.equal(await shown.number("max-ulp-k3"), 2.06e9);
    await shown.until("differing-k3", "270,123");
    await page.locator(".bit-table .note").getByText(/^[\d.,]+ (million |billion )?ulp$/).first().waitFor();
    await page.getByText(/^difference: ×\s[\d.,]+$/).waitFor();
    const texts = await page.evaluate(() => document.querySelector("main").textContent);
    assert.doesNotMatch(texts, /\de[+-]\d/);
  }, { script: [fakeEngine, { steps: 40 }] });
});

test("the downloaded picture is as sharp as the screen, and has texts around the plot", async () => {
  await site.visit("#/lab?ks=1,3,2", async (shown, page) => {
    await shown.step(40);
    // The plot follows the numbers by a frame.
    await page.locator(".main .plot-frame").first().locator("canvas").waitFor();
    const download = page.waitForEvent("download");
    await shown.click("png");
    const base64 = (await readFile(await (await download).path())).toString("base64");
    const { width, height, frame, paper, inked } = await page.evaluate(async (base64) => {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
      const { width, height } = bitmap;
      const context = new OffscreenCanvas(width, height).getContext("2d");
      context.drawImage(bitmap, 0, 0);
      const { data } = context.getImageData(0, 0, width, height);
      const paper = [...data.subarray(0, 3)].join();
      /** Whether a band of the picture, from its top to its bottom, has anything but paper in it. */
      const isInked = (from, to) => data.subarray(4 * width * Math.round(from), 4 * width * Math.round(to)).some((value, i) => i % 4 === 0 && Math.abs(value - data[0]) > 60);
      const { clientWidth, clientHeight } = document.querySelector(".main .plot-frame");
      const below = 2 * (clientHeight + 50);
      return { width, height, frame: [2 * clientWidth, 2 * clientHeight], paper, inked: [isInked(0, 60), isInked(below, height)] };
    }, base64);
    assert.equal(width, Math.ceil(frame[0] + 2 * 16 * 3.3), "the plot, its margins and the name of its axis");
    assert.ok(height > frame[1] + 200, `${height} of ${frame[1]}`);
    assert.equal(paper, "252,252,250");
    assert.deepEqual(inked, [true, true], "the title, and what is below");
  }, { script: [fakeEngine, { steps: 40 }], deviceScaleFactor: 2, colorScheme: "light" });
});

test("the bits are shown whole, with their distances, on a desk", async () => {
  for (const width of [1280, 1440, 1920]) {
    await site.visit("#/lab?ks=1,3,2", async (shown, page) => {
      await page.locator(".bit-table .note").getByText("2.1 billion ulp").first().waitFor();
      const [needs, has] = await page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.querySelector(".bits-figure .scroll");
        return [scrollWidth, clientWidth];
      });
      assert.ok(needs <= has, `${needs} pixels in ${has}, on ${width}`);
    }, { script: [fakeEngine, { steps: 40 }], viewport: { width, height: 900 } });
  }
});

test("on a phone, the learning rate is beside the curve that it moves", async () => {
  await site.visit("#/lab?ks=1,3,2", async (shown, page) => {
    await shown.step(40);
    const ends = await page.evaluate(() =>
      [".main figure.plot", ".side .rate"].map((one) => {
        const { top, bottom } = document.querySelector(one).getBoundingClientRect();
        return [top, bottom];
      }),
    );
    const [plot, rate] = ends;
    assert.ok(plot[0] >= 0 && plot[1] <= rate[0] && rate[1] <= 844, JSON.stringify(ends));
  }, { script: [fakeEngine, { steps: 40 }], viewport: { width: 390, height: 844 } });
});

test("the lamp names a k that is no control under another perturbation", async () => {
  await site.visit("#/lab?ks=1,3,2&perturbation=nextafter", async (shown) => {
    await shown.until("lamp", /No control.*k = 2 is no control here.*Add a second k = 1/);
  }, { script: [fakeEngine, { steps: 40 }] });
});

test("every state is a link", async () => {
  const address = "#/lab?net=one-layer&ks=1,3&seed=7&batch-size=1&lr=0.02&momentum=0&weight-decay=20&epochs=500&steps=8&lr-changes=5:0.01";
  await site.visit(address, async (shown, page) => {
    const numbers = await finalNumbers(page, 3, 1);
    const before = query(page);
    assert.equal(before.get("lr-changes"), "5:0.01");
    await page.reload();
    assert.deepEqual(await finalNumbers(page, 3, 1), numbers);
    assert.equal(query(page).toString(), before.toString());
    assert.equal(await shown.get("seed").inputValue(), "7");
    assert.equal(await shown.get("lr").inputValue(), "0.01", "the rate that holds now");

    await enterSeed(shown, 8);
    await openedRun(page, 2);
    assert.notEqual((await finalNumbers(page, 3, 1)).fingerprint, numbers.fingerprint);

    await page.evaluate(() => (location.hash = "#/lab?seed=none&nets=resnet8"));
    await shown.until("error", /seed must be a whole number.*nets is not known/);
  });
});

test("dropped files are trained on, and damaged ones are explained", async () => {
  await site.visit(`#/lab?${RESNET}&ks=1,3`, async (shown, page) => {
    await shown.step(1);
    await shown.drop([{ name: "train-images-idx3-ubyte", bytes: images(40).subarray(0, 5000) }]);
    await shown.until("error", /train-images-idx3-ubyte has 5000 bytes, but its header promises 40 items/);
    assert.match(await shown.text("data-status"), /^Not loaded/);
    const step = await shown.number("step");
    await shown.step(step + 1); // a bad file does not stop the run

    await shown.drop([{ name: "train-images-idx3-ubyte", bytes: images(40) }]);
    await shown.until("data-status", /train-images-idx3-ubyte: 40.*missing: train-labels-idx1-ubyte/);
    await shown.drop([
      { name: "train-labels-idx1-ubyte.gz", bytes: gzipSync(labels(40)) },
      { name: "t10k-images-idx3-ubyte", bytes: images(10) },
      { name: "t10k-labels-idx1-ubyte", bytes: labels(10) },
    ]);
    await shown.until("data-status", /Ready: not the published Fashion-MNIST\.$/);
    await page.waitForFunction(() => location.hash.includes("dataset=fashion-mnist"));
    await page.waitForFunction(() => window.events.findLast(({ kind }) => kind === "opened").stepsPerEpoch === 10);
    await stepOfNewestRun(page, 2);
    assert.equal(await shown.get("error").isVisible(), false);
  });
});

test("a link to a data set finds its files on the host, and opens once", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lastbit-"));
  const files = { "train-images-idx3-ubyte.gz": gzipSync(images(40)), "train-labels-idx1-ubyte": labels(40) };
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
  await writeFile(join(folder, "index.json"), JSON.stringify(Object.keys(files)));
  const { server, url } = await serve({ "/data/": folder, "/": site.dist });
  const host = new Site({ ...site, url });
  const address = `#/lab?${RESNET}&ks=1,3&dataset=fashion-mnist&lr-changes=2:0.05`;
  try {
    await host.visit(address, async (shown, page) => {
      await shown.step(3);
      assert.match(await shown.text("data-status"), /Ready/);
      const opened = await page.evaluate(() => window.events.filter(({ kind }) => kind === "opened").map(({ stepsPerEpoch }) => stepsPerEpoch));
      assert.deepEqual(opened, [10]);
      assert.equal(query(page).get("lr-changes"), "2:0.05", "what the link does to the run");
      // Another link to the same data set does not fetch it again.
      await page.evaluate((to) => (location.hash = to), address.replace("lr-changes=2:0.05", "seed=4"));
      await openedRun(page, 2);
      await stepOfNewestRun(page, 3);
      assert.equal(await page.evaluate(() => window.events.filter(({ kind }) => kind === "data").length), 1);
    });
    await host.visit(address, async (shown) => {
      await shown.until("error", /the host lists data\/train-labels-idx1-ubyte but does not serve it \(404\)/);
      assert.match(await shown.text("data-status"), /^Not loaded/);
      // Files that the host lacks can be dropped.
      await shown.drop(Object.entries(files).map(([name, bytes]) => ({ name, bytes })));
      await shown.step(3);
    }, { prepare: without(/train-labels/), complaints: [NOT_THERE] });
  } finally {
    server.close();
    await rm(folder, { recursive: true });
  }
});

test("the error of a run that is too large states its size, and the record stays", async () => {
  await site.visit(`?backend=webgpu#/lab?${ONE_LAYER}&ks=1,3`, async (shown, page) => {
    await shown.step(2);
    await shown.click("pause");
    await page.waitForFunction(isAtRest);
    const recorded = await shown.number("step");
    // A limit of the adapter.
    await page.evaluate(() => (location.hash = "#/lab?net=vgg11&width=8&batch-size=2048&train-limit=2048&ks=1,3"));
    await shown.until("error", /needs \d+\.\d\d GiB but this adapter binds at most \d+\.\d\d [GM]iB: use a smaller batch/);
    await page.getByText(/Choose a smaller network, batch size or width/).waitFor();
    assert.ok(await shown.get("restart").isVisible());
    await shown.until("step", String(recorded), "the run before");
    assert.equal((await downloaded(shown, "csv")).length, recorded + 1);
    // Restart tries the same sizes again; a run with another value starts by itself.
    await shown.click("restart");
    await shown.until("error", /needs \d+\.\d\d GiB/);
    await page.evaluate((to) => (location.hash = to), `#/lab?${ONE_LAYER}&ks=1,3&seed=2`);
    await openedRun(page, 2);
    await stepOfNewestRun(page, 1);
    assert.equal(await shown.get("error").isVisible(), false);
    assert.equal((await downloaded(shown, "csv-pinned")).length, recorded + 1);
  });
});

test("an out-of-memory error states the size, and a restart works", async () => {
  await site.visit(`?backend=webgpu#/lab?${ONE_LAYER}&ks=1,3`, async (shown, page) => {
    await shown.step(2);
    await setMemory(page, "refuse");
    await shown.get("seed").fill("3");
    await shown.get("seed").press("Enter");
    await shown.until("error", /out of memory on the adapter: \d+\.\d\d MiB are needed.*which it could not allocate.*smaller batch/);
    await shown.until("step", (text) => Number(text) >= 2, "the run before");
    await setMemory(page, "give");
    await shown.click("restart");
    await openedRun(page, 2);
    await stepOfNewestRun(page, 1);
    assert.equal(query(page).get("seed"), "3");
    assert.equal(await shown.get("error").isVisible(), false);
  }, { prepare: refuseMemory });
});

test("a lost device is reported, the record stays, and a restart works", async () => {
  await site.visit(`?backend=webgpu#/lab?${ONE_LAYER}&ks=1,3`, async (shown, page) => {
    await shown.step(2);
    await (await site.browser.newBrowserCDPSession()).send("Browser.crashGpuProcess");
    await shown.until("error", /lost/);
    await page.getByText(/What was recorded stays.*begins again at step 0 on a new device/).waitFor();
    await page.waitForFunction(isAtRest);
    const recorded = await shown.number("step");
    assert.ok(recorded >= 2, "the curves stay");
    assert.ok((await shown.number("rel-l1-k3")) > 0);
    const csv = await downloaded(shown, "csv");
    assert.equal(csv.length, recorded + 1);
    await shown.click("restart");
    await openedRun(page, 2);
    await stepOfNewestRun(page, 1);
    assert.equal(await shown.get("error").isVisible(), false);
    assert.equal(await shown.get("pin").getAttribute("aria-pressed"), "true");
    assert.deepEqual(await downloaded(shown, "csv-pinned"), csv, "also beside the new run");
  });
});

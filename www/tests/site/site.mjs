// What the tests of the site share: pages that record every complaint of the browser, and waiting for what is shown.
import assert from "node:assert/strict";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

import { launch } from "../chromium.mjs";
import { serve } from "../server.mjs";

/** Software adapters and busy machines are slow; a test that waits this long has failed. */
const PATIENCE_MS = 1000 * Number(process.env.SITE_PATIENCE_S ?? 240);

/** Where the site is served: not at the root, because many hosts give it a folder. A request outside of the folder fails the test. */
const FOLDER = "some/path/";

/** Serves the built site and starts a browser; both end with the tests of the file. */
export async function openSite() {
  const { SITE_CHROMIUM: chromium, SITE_LASTBIT: lastbit, SITE_DRIVER: driver } = process.env;
  const dist = fileURLToPath(new URL("../../dist", import.meta.url));
  const { server, url: root } = await serve({ [`/${FOLDER}`]: dist });
  const url = root + FOLDER;
  const browser = await launch(chromium);
  after(async () => {
    // A browser that hangs must not block this program.
    await Promise.race([browser.close(), new Promise((resolve) => setTimeout(resolve, 10_000).unref())]);
    server.close();
    setTimeout(() => process.exit(), 1000).unref();
  });
  return new Site({ browser, chromium, url, dist, lastbit, driver });
}

/** The built site in a browser. */
export class Site {
  constructor({ browser, chromium, url, dist, lastbit, driver }) {
    Object.assign(this, { browser, chromium, url, dist, lastbit, driver });
  }

  /** The path in `dist` of the file that `url` names. */
  fileOf(url) {
    return new URL(url).pathname.slice(new URL(this.url).pathname.length) || "index.html";
  }

  /**
   * Opens `address` (such as `#/lab?seed=2`) in a new page and calls `use` with it. Any error or warning in the console, or
   * request outside of the site, fails the test, unless it matches `complaints`. `script` is a function that runs in the page before
   * its scripts, with its argument; `scripts` are more of them. `prepare` gets the page before it loads. Other options are the browser context's.
   */
  async visit(address, use, { viewport = { width: 1280, height: 900 }, complaints = [], script, scripts = [], prepare, ...options } = {}) {
    const context = await this.browser.newContext({ viewport, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const heard = [];
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && heard.push(message.text()));
    page.on("pageerror", (error) => heard.push(error.message));
    page.on("request", (request) => request.url().startsWith(this.url) || /^(data|blob):/.test(request.url()) || heard.push(`requests ${request.url()}`));
    await context.addInitScript(listen);
    for (const one of script === undefined ? scripts : [script, ...scripts]) await context.addInitScript(...one);
    try {
      await prepare?.(page);
      await page.goto(this.url + address);
      const shown = new Shown(page);
      await use(shown, page);
      const unexpected = heard.filter((text) => !complaints.some((pattern) => pattern.test(text)));
      assert.deepEqual(unexpected, [], "the page complains");
    } finally {
      await context.close();
    }
  }
}

/** Runs in the page: records the events of the engine's worker in `window.events`. */
export function listen() {
  window.events = [];
  const Original = Worker;
  window.Worker = class extends Original {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => window.events.push({ at: performance.now(), ...data?.event }));
    }
  };
}

/** Runs in the page before its scripts: a browser without the vectors of WebAssembly. */
export function withoutSimd() {
  WebAssembly.validate = () => false;
}

/** Prepares a page for a host that lacks the files whose addresses match; its visit must allow the complaint {@link NOT_THERE}. */
export const without = (pattern) => (page) => page.route(pattern, (route) => route.fulfill({ status: 404 }));
export const NOT_THERE = /the server responded with a status of 404/;

/** Whether `text` fits; `fits` is a text, a pattern or a function. */
function isFitting(text, fits) {
  if (fits instanceof RegExp) return fits.test(text);
  return typeof fits === "function" ? fits(text) : text === fits;
}

/** A plain number. */
const PLAIN = /^-?\d+(\.\d+)?(e[+-]\d+)?$/;

/** Runs in the page: what an element shows, as programs read it. */
const plainText = ({ dataset, textContent }) => dataset.value ?? textContent ?? "";

/** What is on screen, by test id. */
export class Shown {
  constructor(page) {
    this.page = page;
  }

  get(id) {
    return this.page.getByTestId(id).first();
  }

  async text(id) {
    return (await this.get(id).textContent()) ?? "";
  }

  /** The number that an element shows: its `data-value`, or its text if that is a plain number. */
  async number(id) {
    const text = await this.get(id).evaluate(plainText);
    assert.match(text, PLAIN, `${id} is one plain number`);
    return Number(text);
  }

  click(id) {
    return this.get(id).click();
  }

  /** Waits until the text of `id` fits. */
  async until(id, fits, what = String(fits)) {
    const deadline = Date.now() + PATIENCE_MS;
    let text;
    while (Date.now() < deadline) {
      text = await this.get(id).textContent({ timeout: 5000 }).catch(() => undefined);
      if (text !== undefined && isFitting(text, fits)) return text;
      await this.page.waitForTimeout(50);
    }
    const error = await this.get("error").textContent({ timeout: 1000 }).catch(() => "");
    assert.fail(`${id} is '${text}' after ${PATIENCE_MS / 1000} s, not ${what}; error: '${error}'`);
  }

  /** Waits until the number of `id` fits; it is NaN while there is none. */
  async untilNumber(id, fits, what = String(fits)) {
    const deadline = Date.now() + PATIENCE_MS;
    let text;
    for (; Date.now() < deadline; await this.page.waitForTimeout(50)) {
      text = await this.get(id).evaluate(plainText, undefined, { timeout: 5000 }).catch(() => undefined);
      if (text !== undefined && fits(PLAIN.test(text) ? Number(text) : Number.NaN)) return Number(text);
    }
    assert.fail(`${id} is '${text}' after ${PATIENCE_MS / 1000} s, not ${what}`);
  }

  /** Waits for a step. */
  step(at) {
    return this.until("step", (text) => Number(text) >= at, `step ${at}`);
  }

  /** Drops files on the page: `{ name, bytes }`. */
  async drop(files) {
    const given = files.map(({ name, bytes }) => ({ name, base64: Buffer.from(bytes).toString("base64") }));
    await this.page.evaluate((dropped) => {
      const dataTransfer = new DataTransfer();
      for (const { name, base64 } of dropped) {
        dataTransfer.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name));
      }
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    }, given);
  }
}

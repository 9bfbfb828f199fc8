// node www/tests/smoke.mjs CHROMIUM PKG: takes one training step in a real browser, for `cargo xtask test browser`. Prints one
// line of JSON, {"report": ...} or {"error": "one line"}, and always terminates.
import { fileURLToPath } from "node:url";

import { launch } from "./chromium.mjs";
import { serve } from "./server.mjs";

const STEP_LIMIT_MS = 180_000;

/** The text of a message, without the stacks and logs that Chromium, Playwright and the panic hook append. */
function oneLine(message) {
  const text = message.split(/\n\s*(?:Stack|Call log|Browser logs):/)[0].replaceAll(/\s+/g, " ").trim();
  // A browser that does not start gives the reason in its log, which is one of those.
  const why = message.match(/\[err\] (.*)/)?.[1];
  return (why === undefined ? text : `${text}: ${why}`).slice(0, 1000);
}

/** Runs in the page: starts the worker and waits for its one message. */
function answerOfWorker() {
  return new Promise((resolve) => {
    const worker = new Worker("/worker.js", { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    // A script that does not load, or a panic. The event may lack a message.
    worker.onerror = (event) => resolve({ error: event.message ?? "the worker did not load" });
  });
}

async function step(page, url) {
  // The console explains an error better than the error itself: the location of a panic, a shader compiler's message.
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(oneLine(message.text())));
  page.on("requestfailed", (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
  const crash = new Promise((resolve) => {
    page.on("pageerror", (error) => resolve({ error: `page error: ${error.message}` }));
    page.on("crash", () => resolve({ error: "the page crashed" }));
  });
  const late = new Promise((resolve) => {
    const error = `no answer from the worker within ${STEP_LIMIT_MS / 1000} s`;
    setTimeout(() => resolve({ error }), STEP_LIMIT_MS).unref();
  });
  await page.goto(url, { timeout: 30_000 });
  if (!(await page.evaluate(async () => (await navigator.gpu?.requestAdapter()) != null))) {
    return { error: "the browser gives no WebGPU adapter" };
  }
  const answer = await Promise.race([page.evaluate(answerOfWorker), crash, late]);
  return answer.error === undefined ? answer : { error: [oneLine(answer.error), ...complaints].join("; ") };
}

async function main([executable, pkg]) {
  const { server, url } = await serve({ "/pkg/": pkg, "/": fileURLToPath(new URL("smoke", import.meta.url)) });
  const browser = await launch(executable);
  try {
    return await step(await browser.newPage(), url);
  } finally {
    // A browser that hangs must not block this program, whose exit ends the browser, too.
    await Promise.race([browser.close(), new Promise((resolve) => setTimeout(resolve, 10_000).unref())]);
    server.close();
  }
}

const answer = await main(process.argv.slice(2)).catch((error) => {
  return { error: oneLine(error.message).replace(/^browserType.launch: /, "Chromium does not start: ") };
});
process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0));

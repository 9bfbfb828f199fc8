// Accessibility: what axe-core can check of WCAG 2.1 AA in every view, light and dark; the width of a phone; the keyboard.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";

import { openSite } from "./site.mjs";

const RULES = { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] };
const CONTRAST = { type: "rule", values: ["color-contrast"] };
/** What depends on texts: each thing has a name, and the language is right. */
const WORDS = { type: "tag", values: ["cat.name-role-value", "cat.text-alternatives", "cat.forms", "cat.language"] };
const SMALL = "net=one-layer&batch-size=1&lr=0.01&momentum=0&weight-decay=20&steps=20";
/** Curvature with all edges, and long names. */
const MEASURED = `${SMALL.replace("momentum=0", "momentum=0.5")}&ks=1,1,3&perturb=none,5:gaussian:0.001:conv1.weight:7,none&sharpness=10`;
const MEASURED_LAST = ".curvature .story:text('20: ')";

/** Addresses, and a selector of an element that is there once the view is complete and shows its first numbers. */
const VIEWS = [
  ["#/home", ".gallery"],
  [`#/lab?${SMALL}`, ".lamp.green"],
  [`?backend=processor#/lab?${MEASURED}`, MEASURED_LAST],
  ["#/pde/heat", ".good[data-testid=heat-verdict]"],
  ["#/pde/unknown", ".page.unknown + .page .good[data-testid=heat-verdict]"],
  ["#/pde/linear", ".good[data-testid=linear-verdict]"],
  ["#/pde/nonlinear", "[data-testid=nonlinear-verdict][data-kind]"],
  ...[1, 2, 3, 4, 5, 6, 7].map((chapter) => [`#/lesson/${chapter}?notes=1`, `[data-testid=chapter-${chapter}] > *`]),
  ["#/home?present=1", ".gallery"],
  ["#/lesson/3?present=1", "[data-testid=chapter-3] > *"],
  ["#/lesson/3?speaker=1", "[data-testid=speaker-notes] > *"],
  ["?figure=parting", ".legend output"],
  ["?figure=consequence", ".gallery li"],
  ["?figure=heat", "[data-testid=play]"],
  ["?figure=none", "[data-testid=error]"],
  // A check that is under way and one that is complete have the same elements; the complete one takes a minute.
  ["#/certify", "[data-testid=certify]"],
  ["?backend=recorded#/certify", "[data-testid=no-webgpu]"],
  ["?backend=recorded#/lab", ".recorded-figures .lamp.green"],
  // German texts are longer.
  ["?lang=de#/home", ".gallery"],
  [`?lang=de#/lab?${SMALL}`, ".lamp.green"],
  [`?lang=de&backend=processor#/lab?${MEASURED}`, MEASURED_LAST],
  ["?lang=de&backend=recorded#/lab", ".recorded-figures .lamp.green"],
  ["?lang=de#/pde/linear", ".good[data-testid=linear-verdict]"],
  ...[1, 2, 3, 4, 5, 6, 7].map((chapter) => [`?lang=de#/lesson/${chapter}?notes=1`, `[data-testid=chapter-${chapter}] > *`]),
  ["?lang=de#/lesson/3?present=1", "[data-testid=chapter-3] > *"],
  ["?lang=de#/lesson/3?speaker=1", "[data-testid=speaker-notes] > *"],
  ["?lang=de#/certify", "[data-testid=certify]"],
];

const site = await openSite();

test("no view is wider than a phone, and axe finds no violation in any, light or dark", async () => {
  const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  const complaints = [];
  for (const [address, complete] of VIEWS) {
    await site.visit(address, async (_, page) => {
      await page.locator(complete).first().waitFor();
      const [width, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      if (width > seen) complaints.push([address, `${width} pixels on ${seen}`]);
      await page.setViewportSize({ width: 1280, height: 900 });
      // The page's policy allows no other script; the debugger's isolated world can still examine the page.
      const session = await page.context().newCDPSession(page);
      const { frameTree } = await session.send("Page.getFrameTree");
      const { executionContextId: contextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
      const evaluate = async (expression) => {
        const { result, exceptionDetails } = await session.send("Runtime.evaluate", { expression, contextId, awaitPromise: true, returnByValue: true });
        assert.equal(exceptionDetails, undefined, exceptionDetails?.exception?.description);
        return result.value;
      };
      await evaluate(axe);
      // The dark page differs in its colours alone, and the German one in its words.
      const isGerman = address.includes("lang=de");
      for (const [colorScheme, runOnly] of isGerman ? [["light", WORDS]] : [["light", RULES], ["dark", CONTRAST]]) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        const options = JSON.stringify({ runOnly });
        const found = await evaluate(`axe.run(document, ${options}).then(({ violations }) => JSON.stringify(violations.map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary }) => html.slice(0, 160) + " " + failureSummary)])))`);
        complaints.push(...JSON.parse(found).map((one) => [address, colorScheme, ...one]));
      }
    }, { viewport: { width: 390, height: 844 } });
  }
  assert.deepEqual(complaints, []);
});

test("the keyboard reaches everything: skip link, tabs, switches", async () => {
  await site.visit("#/lesson/1", async (shown, page) => {
    await shown.get("bit-0").waitFor();
    await page.keyboard.press("Tab");
    assert.match(await page.evaluate(() => document.activeElement.textContent), /Skip/);
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
    await page.getByRole("link", { name: "Equations" }).focus();
    await page.keyboard.press("Enter");
    await shown.get("heat-dt").waitFor();
    assert.equal(await page.locator('.tabs a[aria-current="page"]').first().textContent(), "Equations");
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const before = await background();
    await page.getByRole("button", { name: /^(Dark|Light)$/ }).focus();
    await page.keyboard.press("Enter");
    assert.notEqual(await background(), before);
    await page.reload();
    await shown.get("heat-dt").waitFor();
    assert.notEqual(await background(), before, "the choice is remembered");
  });
});

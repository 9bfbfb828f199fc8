// The page in another language: how a reader comes to it, and that no text of a view stays English.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { load } from "../unit/load.mjs";
import { openSite } from "./site.mjs";

const { table } = await load("language/de.ts");
const { parseMarks } = await load("lesson/chapter.ts");

/** The paragraphs of a chapter in a language, as the page shows them. */
async function paragraphs(language, number) {
  const { text } = (await load(`lesson/${language}/chapter${number}.ts`)).text;
  return text.map((words) => parseMarks(words).map((part) => (typeof part === "string" ? part : part[1])).join(""));
}

/** Addresses, and a selector of an element that is there once the view is complete and shows its first numbers. */
const VIEWS = [
  ["#/home", ".gallery li"],
  // One setting that is no longer possible, so that the notice shows.
  ["#/lab?net=resnet8&width=99&batch-size=4&train-limit=64&test-limit=8&steps=12", ".lamp.green"],
  ["#/lab?net=one-layer&batch-size=1&lr=0.01&momentum=0&weight-decay=20&steps=20&ks=1,3,5", "[data-testid=step]:text('20')"],
  ["?backend=recorded#/home", ".lamp.green"],
  ["?backend=recorded#/lab", ".recorded-figures .lamp.green"],
  ["#/pde/heat?dt=0.52", "[data-testid=heat-verdict].bad"],
  ["#/pde/linear", "[data-testid=linear-verdict].good"],
  ["#/pde/nonlinear?dt=0.07", "[data-testid=nonlinear-verdict][data-kind=chaos]"],
  ["#/lesson/1?notes=1", "[data-testid=bit-0]"],
  ["#/lesson/2", "[data-testid=divide-try]"],
  ["#/lesson/3?notes=1", "[data-testid=chapter-3] .lamp"],
  ["#/lesson/4", "[data-testid=heat-verdict].good"],
  ["#/lesson/5", "[data-testid=nonlinear-verdict][data-kind=period-1]"],
  ["#/lesson/6?notes=1", "[data-testid=chapter-6] .lamp"],
  ["?backend=recorded#/lesson/6", "[data-testid=chapter-6] [data-testid=start]"],
  ["#/lesson/7", "[data-testid=chapter-7] [data-testid=start]"],
  ["?backend=recorded#/lesson/7", "[data-testid=chapter-7] [data-testid=start]"],
  ["#/lesson/2?present=1", ".present-bar"],
  ["#/home?speaker=1", "[data-testid=speaker-notes] dd"],
  ["#/lesson/3?speaker=1", "[data-testid=speaker-notes] dd"],
  ["#/lab?speaker=1", "[data-testid=speaker-notes] dd"],
  ["#/certify", "[data-testid=certify]"],
  ["?backend=recorded#/certify", "[data-testid=no-webgpu]"],
  ["?figure=heat", "[data-testid=play]"],
  ["?figure=nonlinear&dt=9", "[data-testid=problems]"],
  ["?figure=parting&backend=recorded", "[data-testid=problems]"],
  ["?figure=unknown", "[data-testid=error]"],
];

const site = await openSite();

/** The address in German. */
const inGerman = (address) => (address.startsWith("?") ? address.replace("?", "?lang=de&") : `?lang=de${address}`);

const shownLanguage = (page) => page.locator("html").getAttribute("lang");
const tabs = (page) => page.locator(".tabs a").allTextContents();
const ENGLISH_TABS = ["Home", "Lab", "Equations", "Lesson", "Device"];
const GERMAN_TABS = ["Start", "Labor", "Gleichungen", "Lektion", "Gerät"];

test("?lang=de is the page in German", async () => {
  await site.visit("?lang=de&backend=processor#/home", async (shown, page) => {
    await shown.step(1);
    assert.equal(await shownLanguage(page), "de");
    assert.deepEqual(await tabs(page), GERMAN_TABS);
    assert.equal(await page.title(), "Start – lastbit");
    assert.match(await page.locator("h1").textContent(), /^Hier trainieren drei Kopien eines Netzes\. /);
    await shown.until("story", /^Schritt [\d\u202f]+: k.=.3 .* von 19\u202f288 Gewichten sind anders/);
    assert.match(await shown.text("adapter"), /^Es rechnet live: Ihr Prozessor\.$/);
  });
});

test("the reader's choice of a language is kept, and comes before the browser's", async () => {
  await site.visit("#/lesson/1", async (shown, page) => {
    const choose = async (tag) => {
      await shown.get("language").selectOption(tag);
      await page.locator(`html[lang=${tag}] .tabs`).waitFor();
    };
    await shown.get("language").waitFor();
    assert.deepEqual(await tabs(page), ENGLISH_TABS);
    await choose("de");
    assert.deepEqual(await tabs(page), GERMAN_TABS);
    assert.equal(new URL(page.url()).search, "", "the address is for every language");
    assert.equal(new URL(page.url()).hash, "#/lesson/1", "the view stays");
    await page.goto(`${site.url}#/certify`);
    await page.reload();
    await shown.get("certify").waitFor();
    assert.deepEqual(await tabs(page), GERMAN_TABS, "in a later visit, too");
    await choose("en");
    assert.deepEqual(await tabs(page), ENGLISH_TABS);
    // A link in one language to a reader who has chosen another.
    await page.goto(`${site.url}?lang=de#/certify`);
    await shown.get("certify").waitFor();
    assert.deepEqual(await tabs(page), GERMAN_TABS);
    await choose("en");
    assert.equal(new URL(page.url()).search, "");
  });
});

test("without a choice the browser's languages decide", async () => {
  await site.visit("#/certify", async (shown, page) => {
    await shown.get("certify").waitFor();
    assert.deepEqual(await tabs(page), GERMAN_TABS);
  }, { locale: "de-AT" });
});

/** A pattern of a text whose names in braces stand for any values. */
function patternOf(text) {
  const escaped = text.split(/\{\w+\}/).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&"));
  return new RegExp(`^${escaped.join(".+")}$`);
}

/** Texts that are no German ones (the tab “Start” is), with their patterns. A text of names alone fits everything. */
const GERMAN = new Set(Object.values(table));
const TRANSLATED = Object.keys(table)
  .filter((english) => !GERMAN.has(english) && /[a-z]{2}/i.test(english.replaceAll(/\{\w+\}/g, "")))
  .map((english) => [english, patternOf(english)]);

/** Runs in the page: every text that it shows or says. Commands are the same in every language, and each language has its own name. */
function textsOfPage() {
  const isSkipped = (element) => element.closest("script, style, noscript, code, pre, [lang]:not(html), [hidden]") !== null;
  const texts = [document.title];
  for (const element of document.querySelectorAll("*")) {
    if (isSkipped(element)) continue;
    for (const name of ["aria-label", "aria-valuetext", "title", "placeholder", "alt"]) texts.push(element.getAttribute(name) ?? "");
    const own = [...element.childNodes].filter(({ nodeType, textContent }) => nodeType === Node.TEXT_NODE && textContent.trim() !== "");
    // A sentence may have an element in it, such as a link.
    if (own.length > 0) texts.push(...own.map(({ textContent }) => textContent), element.textContent);
  }
  return [...new Set(texts.map((text) => text.trim()))].filter((text) => text !== "");
}

/** The texts among `texts` that are in English, with the key of their German. */
const leftIn = (texts) => texts.flatMap((text) => TRANSLATED.filter(([, pattern]) => pattern.test(text)).map(([english]) => `${text} (${english})`));

test("no view shows an English text in German", async () => {
  const left = [];
  for (const [address, complete] of VIEWS) {
    await site.visit(inGerman(address), async (_, page) => {
      await page.locator(complete).first().waitFor();
      const texts = await page.evaluate(textsOfPage);
      assert.ok(texts.length > 2, `${address}: ${texts.length} texts`);
      left.push(...leftIn(texts).map((text) => `${address}: ${text}`));
    });
  }
  assert.deepEqual(left, []);
});

test("a chapter is in the reader's language, and its words load in no other", async () => {
  const first = { en: await paragraphs("en", 1), de: await paragraphs("de", 1) };
  for (const [own, other] of [["en", "de"], ["de", "en"]]) {
    const paths = new Set();
    await site.visit(`?lang=${own}#/lesson/1`, async (shown, page) => {
      await shown.get("bit-0").waitFor();
      assert.deepEqual(await page.locator(".reading > p:not(.eyebrow)").allTextContents(), first[own]);
    }, { prepare: (page) => page.on("request", (request) => paths.add(site.fileOf(request.url()))) });
    const code = (await Promise.all([...paths].filter((path) => path.endsWith(".js")).map((path) => readFile(join(site.dist, path), "utf8")))).join();
    assert.ok(code.includes(first[own][0]), `the words in ${own} were loaded`);
    assert.ok(!code.includes(first[other][0]), `the words in ${other} were loaded as well`);
  }
});

test("the search for English texts finds them", async () => {
  await site.visit("?backend=recorded#/lab", async (_, page) => {
    await page.locator(".recorded-figures .lamp.green").waitFor();
    const found = leftIn(await page.evaluate(textsOfPage)).join("\n");
    // A label, a text with a value, a sentence with a link, a title, a text for screen readers.
    for (const text of [/^Play /m, /^step \d+ \(step \{step\}\)$/m, /^The lesson works here/m, /^Light or dark /m, /^Copy in the map /m]) assert.match(found, text);
  });
});

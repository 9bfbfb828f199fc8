// Languages: the choice of one, and the tables of texts.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { load } from "./load.mjs";

const { languageOf, t } = await load("language/language.ts");
const { table } = await load("language/de.ts");

test("the language is the first that the page has", () => {
  assert.equal(languageOf([]), "en");
  assert.equal(languageOf([null, null, "fr-FR", "de-AT", "en"]), "de");
  assert.equal(languageOf(["xx", null, "en-GB", "de"]), "en");
  assert.equal(languageOf(["toString"]), "en");
});

test("values stand in the place of their names", () => {
  assert.equal(t("Chapter {number}", { number: 3 }), "Chapter 3");
});

/** The names in braces of a text. */
const names = (text) => (text.match(/\{\w+\}/g) ?? []).sort();

test("a translation has the names of its text, and every text is on the page", async () => {
  const source = new URL("../../src/", import.meta.url).pathname;
  const files = (await readdir(source, { recursive: true })).filter((file) => file.endsWith(".ts") && !file.startsWith("language"));
  const code = (await Promise.all(files.map((file) => readFile(join(source, file), "utf8")))).join("\n");
  assert.ok(Object.keys(table).length > 20);
  for (const [english, german] of Object.entries(table)) {
    assert.deepEqual(names(german), names(english), english);
    assert.ok(german.trim() !== "", english);
    assert.ok(code.includes(JSON.stringify(english)), `no code shows "${english}"`);
  }
});

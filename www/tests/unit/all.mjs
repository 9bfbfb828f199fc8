// Runs all files `*.test.mjs` of this folder in one process, because Vite takes longer to load than the tests take to run.
import { readdir } from "node:fs/promises";
import { test } from "node:test";

const files = (await readdir(import.meta.dirname)).filter((name) => name.endsWith(".test.mjs"));
async function load() {
  for (const file of files.sort()) await import(`./${file}`);
}
const loaded = load();
// The first test, so that the others, which are added while it runs, have all been added when it ends.
test("the files of tests load", () => loaded);

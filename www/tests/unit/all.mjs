// Runs all files `*.test.mjs` of this folder in one process, because Vite takes longer to load than the tests take to run.
import { readdir } from "node:fs/promises";
import { test } from "node:test";

const files = (await readdir(import.meta.dirname)).filter((name) => name.endsWith(".test.mjs"));
const loaded = Promise.all(files.map((file) => import(`./${file}`)));
// The first test, so that the others, which are added while it runs, have all been added when it ends.
test("the files of tests load", () => loaded);

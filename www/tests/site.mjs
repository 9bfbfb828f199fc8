// node www/tests/site.mjs CHROMIUM LASTBIT [DRIVER]: runs the tests of the built site, for `cargo xtask test browser`. Each file
// `site/*.test.mjs` is a theme, with its own process and browser. Two run at a time, because most of a test is one thread of the
// driver. DRIVER is the Vulkan driver file of the browser's SwiftShader. SITE_TESTS=lab,weight runs only these themes.
import { readdir } from "node:fs/promises";
import { run } from "node:test";
import { fileURLToPath } from "node:url";

import { report } from "./report.mjs";

/** The themes that take longest, which start first. */
const LONGEST = ["lesson", "lab", "certify", "layout"];
/** Time limit of a theme: many times what the longest takes on two cores. */
const LIMIT_MS = 20 * 60_000;

const [chromium, lastbit, driver] = process.argv.slice(2);
// For `openSite`, in the processes of the tests.
Object.assign(process.env, { SITE_CHROMIUM: chromium, SITE_LASTBIT: lastbit, ...(driver && { SITE_DRIVER: driver }) });

const folder = new URL("site/", import.meta.url);
const themes = (await readdir(folder)).filter((file) => file.endsWith(".test.mjs")).map((file) => file.split(".")[0]);
const chosen = process.env.SITE_TESTS?.split(",") ?? themes;
const unknown = chosen.find((theme) => !themes.includes(theme));
if (unknown !== undefined) throw new Error(`SITE_TESTS: no theme '${unknown}'; use one of ${themes.join(", ")}`);
const ordered = [...new Set([...LONGEST, ...themes])].filter((theme) => chosen.includes(theme));
const files = ordered.map((theme) => fileURLToPath(new URL(`${theme}.test.mjs`, folder)));
report(run({ files, concurrency: 2, timeout: LIMIT_MS }));

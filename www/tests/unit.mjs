// node www/tests/unit.mjs: tests the page's pure functions, without a browser and without the core, for `cargo xtask test unit-web`.
import { run } from "node:test";
import { fileURLToPath } from "node:url";

import { report } from "./report.mjs";

report(run({ files: [fileURLToPath(new URL("unit/all.mjs", import.meta.url))], timeout: 60_000 }));

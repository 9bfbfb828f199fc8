// node www/tests/site.mjs CHROMIUM LASTBIT [DRIVER]: the tests of the built site, for `cargo xtask test browser`. One
// browser serves all of them. A file `site/*.test.mjs` is a theme: its default export gets the `Site` and declares tests.
// DRIVER is the Vulkan driver file of the SwiftShader that the browser brings along. SITE_TESTS=lab,weight runs some themes.
import { readdir } from "node:fs/promises";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

import { launch } from "./chromium.mjs";
import { Site } from "./site/site.mjs";
import { serve } from "./server.mjs";

const [chromium, lastbit, driver] = process.argv.slice(2);
const dist = fileURLToPath(new URL("../dist", import.meta.url));
const { server, url } = await serve({ "/": dist });
const browser = await launch(chromium);
const site = new Site({ browser, chromium, url, dist, lastbit, driver });
after(async () => {
  // A browser that hangs must not keep this program.
  await Promise.race([browser.close(), new Promise((resolve) => setTimeout(resolve, 10_000).unref())]);
  server.close();
  setTimeout(() => process.exit(), 1000).unref();
});

const chosen = process.env.SITE_TESTS?.split(",");
const files = (await readdir(new URL("site", import.meta.url))).filter((file) => file.endsWith(".test.mjs")).sort();
for (const file of files) {
  if (chosen !== undefined && !chosen.includes(file.split(".")[0])) continue;
  const { default: declare } = await import(`./site/${file}`);
  declare(site);
}

// Hosts whose headers are wrong: the page names the header and the remedy.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { serve } from "../server.mjs";
import { openSite, Site } from "./site.mjs";

/** The policy of docs/HOSTING.md. */
const page = await readFile(new URL("../../../docs/HOSTING.md", import.meta.url), "utf8");
const POLICY = /^Content-Security-Policy: (.*)$/m.exec(page)[1];
const BLOCKED = /Content[- ]Security[- ]Policy/i;

const site = await openSite();

/** Visits the page on a host that sends this policy. */
async function onHost(policy, use) {
  const { server, url } = await serve({ "/": site.dist }, 0, { "content-security-policy": policy });
  try {
    await use(new Site({ ...site, url }));
  } finally {
    server.close();
  }
}

test("a host that forbids WebAssembly is named, with the header and what to add, in every view that needs it", async () => {
  await onHost(POLICY.replace(" 'wasm-unsafe-eval'", ""), async (host) => {
    const remedy = /Content-Security-Policy header forbids WebAssembly: add 'wasm-unsafe-eval' to script-src/;
    const visit = (address, use) => host.visit(address, use, { complaints: [BLOCKED] });
    await visit("#/lab", async (shown) => {
      await shown.until("error", remedy);
      assert.equal(await shown.get("restart").isVisible(), false, "a restart would not help");
    });
    await visit("#/pde/heat", (shown) => shown.until("error", remedy));
    await visit("#/lesson/3", (shown) => shown.until("error", remedy));
    await visit("#/certify", async (shown) => {
      await shown.click("certify");
      await shown.until("error", remedy);
    });
  });
});

test("the policy of docs/HOSTING.md lets the page work", async () => {
  await onHost(POLICY, (host) => host.visit("#/pde/heat", (shown) => shown.until("heat-step", (text) => Number(text) > 5)));
});

// Loads modules of the page into Node.js. Vite compiles them, as it does for the page.
import { fileURLToPath } from "node:url";
import { createServer } from "vite";

// Some modules call these when they are loaded. Node.js before version 21 has no navigator.
globalThis.navigator ??= { hardwareConcurrency: 1 };
globalThis.matchMedia = () => ({ matches: false, addEventListener: () => undefined });

const vite = await createServer({
  root: fileURLToPath(new URL("../..", import.meta.url)),
  configFile: false,
  appType: "custom",
  logLevel: "warn",
  optimizeDeps: { noDiscovery: true },
  server: { middlewareMode: true, ws: false, watch: null },
});

/** The exports of a file in `www/src/`. */
export const load = (file) => vite.ssrLoadModule(`/src/${file}`);

// How the static site is built: relative URLs, so that it can lie in any folder of any host; nothing inlined, so that the
// strict Content-Security-Policy of index.html holds.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: {
    target: "es2023",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 300,
  },
  worker: { format: "es" },
});

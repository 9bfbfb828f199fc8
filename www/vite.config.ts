// Build of the static site. URLs are relative, so that any folder of any host can serve it. Nothing is inlined, so that the
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

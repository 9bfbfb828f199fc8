// Build of the static site. URLs are relative, so that any folder of any host can serve it. Nothing is inlined, so that the
// strict Content-Security-Policy of index.html holds.
// LASTBIT_URL=https://example.org/lastbit/ is where the page will be; without it, the picture that other sites show has a relative address.
import { defineConfig, loadEnv } from "vite";

import { withAddress } from "./open_graph.ts";

export default defineConfig(({ mode }) => ({
  base: "./",
  plugins: [{ name: "open-graph", transformIndexHtml: { order: "post", handler: (html) => withAddress(html, loadEnv(mode, ".", "LASTBIT_")["LASTBIT_URL"]) } }],
  build: {
    target: "es2023",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 300,
    // Two files instead of some twenty of a few hundred bytes, which do not compress: what every view loads, and what every view with a run does.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: "shell", test: /src\/(language\/language|dom|stored|address|backend|webgpu|failure|message_of|unknown|presenter\/(address|shortcuts)|style\/theme)\.ts$/ },
            { name: "run", test: /src\/(run\/(session|record|columns|replicas|lamp|curves|floats|smooth|published)|engine|frame|messages|start_worker|worker_name|numbers|slider|properties|recorded\/open)\.ts$/ },
          ],
        },
      },
    },
  },
  worker: { format: "es" },
}));

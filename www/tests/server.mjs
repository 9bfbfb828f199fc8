// A static server for tests, on loopback only: WebGPU needs a secure context, which file: is not and 127.0.0.1 is.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize, sep } from "node:path";

const TYPES = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/**
 * Serves folders by URL prefix, such as `{ "/pkg/": "target/web-pkg", "/": "www/tests/smoke" }`; the first that fits
 * wins. Resolves to the server and the address of its root.
 */
export async function serve(folders) {
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    const prefix = Object.keys(folders).find((candidate) => path.startsWith(candidate));
    const relative = normalize(path.slice(prefix?.length ?? 0) || "index.html");
    try {
      if (prefix === undefined || relative.split(sep).includes("..")) throw new Error("outside the served folders");
      const body = await readFile(join(folders[prefix], relative));
      response.writeHead(200, { "content-type": TYPES[extname(relative)] ?? "application/octet-stream" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${server.address().port}/` };
}

// A static server on loopback only. WebGPU needs a secure context; 127.0.0.1 is one, file: is not. Tests import the server;
// `node www/tests/server.mjs FOLDER [PORT]` serves a folder until it is stopped.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize, sep } from "node:path";

const TYPES = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

/**
 * Serves folders by URL prefix, such as `{ "/data/": "data", "/": "www/dist" }`; the first prefix that
 * matches wins. Every file has these headers. Resolves to the server and the address of its root.
 */
export async function serve(folders, port = 0, headers = {}) {
  const server = createServer(async (request, response) => {
    try {
      const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
      const prefix = Object.keys(folders).find((candidate) => path.startsWith(candidate));
      const relative = normalize(path.slice(prefix?.length ?? 0) || "index.html");
      if (prefix === undefined || relative.split(sep).includes("..")) throw new Error("outside the served folders");
      const file = relative.endsWith(sep) ? join(relative, "index.html") : relative;
      const body = await readFile(join(folders[prefix], file));
      response.writeHead(200, { ...headers, "content-type": TYPES[extname(file)] ?? "application/octet-stream" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${server.address().port}/` };
}

if (process.argv[1] === import.meta.filename) {
  const [folder, port = "8080"] = process.argv.slice(2);
  // If the port is taken, any other one serves as well.
  const { url } = await serve({ "/": folder }, Number(port)).catch(() => serve({ "/": folder }));
  console.log(`serving ${folder} on ${url} until Ctrl-C`);
}

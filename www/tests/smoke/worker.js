// The core where the page will run it: in a module worker.
import init, { smoke } from "/pkg/lastbit_web.js";

try {
  await init({ module_or_path: "/pkg/lastbit_web_bg.wasm" });
  postMessage({ report: JSON.parse(await smoke()) });
} catch (error) {
  postMessage({ error: String(error?.message ?? error) });
}

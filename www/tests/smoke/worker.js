// Runs the core in a module worker, as the page does.
import init, { smoke } from "/pkg/lastbit_web.js";

try {
  await init({ module_or_path: "/pkg/lastbit_web_bg.wasm" });
  postMessage({ report: JSON.parse(await smoke()) });
} catch (error) {
  postMessage({ error: String(error?.message ?? error) });
}

// Headless Chromium with WebGPU on its own software driver, SwiftShader: the same adapter on every machine.
import { chromium } from "playwright-core";

const WEBGPU = [
  "--enable-unsafe-webgpu", // software adapters count as unsafe
  "--use-webgpu-adapter=swiftshader",
];
const ARGUMENTS = [
  "--no-sandbox", // the sandbox refuses to run as root, as CI does
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts the browser whose executable is `executablePath`; with `webgpu` false as one that does not offer it. */
export function launch(executablePath, { webgpu = true, extra = [] } = {}) {
  const args = [...ARGUMENTS, ...(webgpu ? WEBGPU : []), ...extra];
  return chromium.launch({ executablePath, args, timeout: 60_000 });
}

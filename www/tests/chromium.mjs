// Headless Chromium with WebGPU on the software driver that it ships, SwiftShader: the same adapter on every machine.
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

/** Starts the browser whose executable is `executablePath`; with `webgpu` false, it does not offer WebGPU. */
export function launch(executablePath, { webgpu = true, extra = [] } = {}) {
  const args = [...ARGUMENTS, ...(webgpu ? WEBGPU : []), ...extra];
  return chromium.launch({ executablePath, args, timeout: 60_000 });
}

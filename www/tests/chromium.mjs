// Headless Chromium with WebGPU on its own software driver, SwiftShader: the same adapter on every machine.
import { chromium } from "playwright-core";

const ARGUMENTS = [
  "--no-sandbox", // the sandbox refuses to run as root, as CI does
  "--enable-unsafe-webgpu", // software adapters count as unsafe
  "--use-webgpu-adapter=swiftshader",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts the browser whose executable is `executablePath`. */
export function launch(executablePath) {
  return chromium.launch({ executablePath, args: ARGUMENTS, timeout: 60_000 });
}

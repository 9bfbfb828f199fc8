// Simulates a driver that lies: it changes the last bit of one weight in every update, in all replicas alike. Runs then still agree
// with each other, but no longer with what is published.

/** The line of core/shaders/sgd_update.wgsl, and what the driver makes of it. */
const [WRITTEN, COMPILED] = [
  "parameters[at] = mac(-by.rate, divided, p);",
  "parameters[at] = bitcast<f32>(bitcast<u32>(mac(-by.rate, divided, p)) ^ select(0u, 1u, e == 7u));",
];

/** Prepended to the worker's script. */
const PRELUDE = `
const { createShaderModule } = GPUDevice.prototype;
GPUDevice.prototype.createShaderModule = function (descriptor) {
  return createShaderModule.call(this, { ...descriptor, code: descriptor.code.replace(${JSON.stringify(WRITTEN)}, ${JSON.stringify(COMPILED)}) });
};
`;

/** Prepares a page, so that its workers have this driver. */
export function faultyDriver(page) {
  return page.route(/\/assets\/worker-.*\.js$/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: PRELUDE + (await response.text()) });
  });
}

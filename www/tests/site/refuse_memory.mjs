// Simulates a driver that has no memory left. True exhaustion would endanger the test machine; this is what a page sees of it:
// an out-of-memory scope that is popped with an error.

/** Prepended to the worker's script; listens for "refuse" and "give" on the channel "memory". */
const PRELUDE = `
const memory = { refused: false, scopes: [] };
new BroadcastChannel("memory").onmessage = ({ data }) => (memory.refused = data === "refuse");
const { pushErrorScope, popErrorScope } = GPUDevice.prototype;
GPUDevice.prototype.pushErrorScope = function (filter) {
  memory.scopes.push(filter);
  return pushErrorScope.call(this, filter);
};
GPUDevice.prototype.popErrorScope = async function () {
  const filter = memory.scopes.pop();
  const error = await popErrorScope.call(this);
  return memory.refused && filter === "out-of-memory" ? new GPUOutOfMemoryError("refused") : error;
};
`;

/** Prepares a page, so that its workers can be refused memory. */
export function refuseMemory(page) {
  return page.route(/\/assets\/worker-.*\.js$/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: PRELUDE + (await response.text()) });
  });
}

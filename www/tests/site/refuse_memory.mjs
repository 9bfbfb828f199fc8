// Simulates a driver that has no memory left. True exhaustion would endanger the test machine; this is what a page sees of it:
// an out-of-memory scope that is popped with an error.

/** Prepended to the worker's script; follows "refuse" and "give" on the channel "memory", and answers "done". */
const PRELUDE = `
const memory = { refused: false, scopes: [] };
const channelOfMemory = new BroadcastChannel("memory");
channelOfMemory.onmessage = ({ data }) => {
  memory.refused = data === "refuse";
  channelOfMemory.postMessage("done");
};
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

/** Has the page's worker "refuse" or "give" memory from now on. */
export function setMemory(page, what) {
  return page.evaluate((what) => new Promise((resolve) => {
    const channel = new BroadcastChannel("memory");
    channel.onmessage = () => (channel.close(), resolve());
    channel.postMessage(what);
  }), what);
}

/** Prepares a page, so that its workers can be refused memory. */
export function refuseMemory(page) {
  return page.route(/\/assets\/worker-.*\.js$/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: PRELUDE + (await response.text()) });
  });
}

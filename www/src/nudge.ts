// Firefox looks at a pending map every 100 ms, and at once when something is submitted. A step waits for a map, so without more
// submits Firefox would take ten steps a second on any GPU.

const NUDGE_MS = 2;

/** The parts of WebGPU that a nudge needs. */
interface Nudgeable {
  Adapter: { prototype: Pick<GPUAdapter, "requestDevice"> };
  Buffer: { prototype: Pick<GPUBuffer, "mapAsync"> };
}

/** Whether this browser needs nudges. */
export const needsNudges = (userAgent: string): boolean => /Firefox\//.test(userAgent);

/** From now on, submits nothing to the newest device every few milliseconds while a buffer is being mapped. */
export function nudgeMaps({ Adapter, Buffer }: Nudgeable = { Adapter: GPUAdapter, Buffer: GPUBuffer }): void {
  let queue: Pick<GPUQueue, "submit"> | undefined;
  let pending = 0;
  let timer: ReturnType<typeof setInterval> | undefined;
  const { requestDevice } = Adapter.prototype;
  Adapter.prototype.requestDevice = async function (...given) {
    const device = await requestDevice.apply(this, given);
    queue = device.queue;
    return device;
  };
  const { mapAsync } = Buffer.prototype;
  Buffer.prototype.mapAsync = function (...given) {
    const mapped = mapAsync.apply(this, given);
    pending += 1;
    timer ??= setInterval(() => queue?.submit([]), NUDGE_MS);
    const settled = (): void => {
      pending -= 1;
      if (pending > 0) return;
      clearInterval(timer);
      timer = undefined;
    };
    mapped.then(settled, settled);
    return mapped;
  };
}

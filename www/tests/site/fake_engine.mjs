// A fake worker that makes numbers up, for tests of how the page draws long runs, which do not need a GPU.

/** Runs in the page before its scripts and replaces the engine's worker. It sends `steps` at once, then one every 16 ms. */
export function fakeEngine({ steps }) {
  const replicas = 3;
  window.Worker = class extends EventTarget {
    constructor() {
      super();
      this.onmessage = () => undefined;
    }

    postMessage(command) {
      if (command.kind === "open") {
        this.run = command.run;
        const tensor = (name) => ({ name, shape: [4, 3, 3, 3], convolution: true });
        this.emit({
          kind: "opened", adapter: { name: "made up", driver: "", backend: "", software: true }, network: "made up",
          tensors: ["a", "b"].map(tensor), parameters: 216, ks: [1, 3, 2], controls: [2], totalSteps: 1e9, stepsPerEpoch: 100, seconds: 0,
        });
      }
      if (command.kind === "start") this.start();
    }

    terminate() {
      clearInterval(this.timer);
    }

    emit(event) {
      setTimeout(() => this.onmessage({ data: { run: this.run, event } }));
    }

    start() {
      this.emit({ kind: "state", running: true, finished: false });
      this.step = 0;
      for (let made = 0; made < steps; made += 500) this.emit(this.rows(500));
      this.timer = setInterval(() => this.emit(this.rows(1)), 16);
    }

    rows(n) {
      const stride = 3 + 6 * replicas;
      const rows = new Float64Array(n * stride);
      for (let i = 0; i < n; i++) {
        this.step += 1;
        const noise = Math.random();
        const apart = Math.min(0.5, 1e-9 * 1.5 ** this.step) * (0.5 + noise);
        rows.set([this.step, 0, 0.1, ...[2, 2, 2].map((loss) => loss * (0.5 + noise)), 0, apart, 0], i * stride);
      }
      return { kind: "steps", rows };
    }
  };
}

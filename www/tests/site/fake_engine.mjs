// A fake worker that makes numbers up, for tests of how the page draws runs and follows commands, which do not need a GPU.

/**
 * Runs in the page before its scripts and replaces the engine's worker. On Start it sends `steps` at once, with the layers of the
 * last one, then one every 16 ms; a run of `total` steps is finished after them. `opensAfter` are the milliseconds that a run
 * takes to open; commands wait for it, as they do in the worker. The first `faults` Starts lose the device. Commands are listed in `window.commands`, events
 * with their runs in `window.events`.
 */
export function fakeEngine({ steps, total = 1e9, opensAfter = 0, faults = 0 }) {
  window.commands = [];
  window.Worker = class extends EventTarget {
    constructor() {
      super();
      this.onmessage = () => undefined;
      this.tail = Promise.resolve();
    }

    postMessage(command) {
      window.commands.push(command);
      this.tail = this.tail.then(() => this.execute(command));
    }

    async execute(command) {
      if (command.kind === "open") await this.open(command);
      else if (command.kind === "start" && faults > 0) this.fail();
      else if (command.kind === "start" && !this.running && this.step < total) this.start();
      else if (command.kind === "pause" && this.running) this.stop();
      else if (command.kind === "step") this.stepOnce();
      else if (command.kind === "set-lr") {
        this.lr = command.lr;
        this.emit({ kind: "changed", what: "lr", step: this.step + 1, lr: command.lr });
      } else if (command.kind === "flip-bit") this.emit({ kind: "changed", what: "flip-bit", step: this.step + 1, flip: command.flip });
      else if (command.kind === "watch") this.watched = command.ranges;
    }

    terminate() {
      clearInterval(this.timer);
    }

    emit(event) {
      const { run } = this;
      setTimeout(() => {
        this.onmessage({ data: { run, event } });
        window.events?.push({ at: performance.now(), run, ...event });
      });
    }

    emitState() {
      this.emit({ kind: "state", running: this.running, finished: this.step >= total });
    }

    async open({ run, config }) {
      clearInterval(this.timer);
      await new Promise((resolve) => setTimeout(resolve, opensAfter));
      this.run = run;
      this.ks = config.ks ?? [1, 3, 2];
      this.lr = config.lr ?? 0.1;
      [this.running, this.step, this.watched] = [false, 0, []];
      const isControl = (k) => (config.perturbation === "nextafter" ? k === this.ks[0] : Number.isInteger(Math.log2(k / this.ks[0])));
      this.controls = this.ks.map((_, r) => r).filter((r) => r > 0 && isControl(this.ks[r]));
      this.tensors = ["a", "b"].map((name) => ({ name, shape: [4, 3, 3, 3], measured: true }));
      this.emit({
        kind: "opened", adapter: { name: "made up", driver: "", backend: "", software: true }, network: "made up",
        tensors: this.tensors, parameters: 216, ks: this.ks, controls: this.controls, totalSteps: total, stepsPerEpoch: 100, seconds: 0,
      });
      this.emitState();
    }

    start() {
      this.running = true;
      this.emitState();
      const first = Math.min(steps, total) - this.step;
      for (let made = 0; made < first; made += 500) this.emitRows(Math.min(500, first - made));
      this.emitLayers();
      if (this.step >= total) this.stop();
      else this.timer = setInterval(() => this.emitRows(1), 16);
    }

    fail() {
      faults -= 1;
      this.emit({ kind: "error", fault: "device-lost", message: "the device was lost" });
      this.emitState();
    }

    stop() {
      clearInterval(this.timer);
      this.running = false;
      this.emitState();
    }

    stepOnce() {
      clearInterval(this.timer);
      this.running = false;
      if (this.step < total) this.emitRows(1);
      this.emitState();
    }

    /** Distance of the replica `r` from the first after the newest step. */
    apart(r) {
      return r === 0 || this.controls.includes(r) ? 0 : Math.min(0.5, 1e-9 * 1.5 ** this.step);
    }

    emitRows(n) {
      const replicas = this.ks.length;
      const stride = 3 + 6 * replicas;
      const rows = new Float64Array(n * stride);
      for (let i = 0; i < n; i++) {
        this.step += 1;
        const noise = Math.random();
        const losses = this.ks.map(() => 2 * (0.5 + noise));
        const distances = this.ks.map((_, r) => this.apart(r) * (0.5 + noise));
        const farthest = this.ks.map((_, r) => (this.apart(r) > 0 ? 2_060_000_000 : 0));
        const differing = this.ks.map((_, r) => (this.apart(r) > 0 ? 270_123 : 0));
        rows.set([this.step, 0, this.lr, ...losses, ...distances, ...farthest, ...differing, ...differing], i * stride);
      }
      this.emit({ kind: "steps", rows });
      // The second replica's weights have another sign, as far apart as numbers of this size can be.
      const bits = ({ count, tensor }) => Uint32Array.from({ length: count * replicas }, (_, i) => (Math.floor(i / count) === 1 ? 0xbdff_ffff ^ (i * 977) : tensor.length + 0x3dcc_cccd));
      this.emit({ kind: "tensors", step: this.step, ranges: this.watched.map((range) => ({ ...range, bits: bits(range) })) });
      if (this.step >= total && this.running) this.stop();
    }

    emitLayers() {
      this.ks.forEach((k, replica) => {
        const relL1 = this.tensors.map(() => this.apart(replica));
        this.emit({ kind: "layers", step: this.step, replica, fingerprint: `${k}`.padStart(16, "0"), relL1 });
      });
    }
  };
}

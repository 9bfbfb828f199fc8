// The page's client of the equations' worker: calls of `Equations` (`web/src/pde.rs`), answered by promises.
import type { Equations } from "../../pkg/lastbit_web";
import { findBackend, type LiveBackend } from "../backend";
import { adapterName } from "../lab/device";
import { t } from "../language/language";
import { startWorker } from "../start_worker";
import type { Answer, Call, Method } from "./messages";

type Value<K extends Method> = Awaited<ReturnType<Equations[K]>>;

interface Waiting {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

/** A worker that computes the equations. */
export class EquationsClient {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private calls = 0;

  private constructor(
    private readonly backend: LiveBackend,
    /** Whether the host computes in float64, because the browser has neither a GPU nor vectors on the processor, or is not to use them. */
    readonly double: boolean,
    /** Whether it does so because recorded runs were chosen. */
    private readonly isChosen = false,
  ) {
    this.worker = startWorker("equations", backend);
    this.worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      const waiting = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if ("error" in data) waiting?.reject(new Error(data.error));
      else waiting?.resolve(data.value as never);
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      for (const { reject } of this.waiting.values()) reject(new Error(t("{error}: reload the page", { error: t("the worker did not load") })));
      this.waiting.clear();
    };
  }

  /** Opens the equations. */
  static async open(): Promise<EquationsClient> {
    const { backend, webgpu, simd } = await findBackend();
    return backend === "recorded" ? new EquationsClient("webgpu", true, webgpu.ok || simd) : new EquationsClient(backend, false);
  }

  /** Calls a method of `Equations`; calls are answered in order. */
  call<K extends Method>(method: K, ...parameters: Parameters<Equations[K]>): Promise<Value<K>> {
    const id = this.calls++;
    this.worker.postMessage({ id, double: this.double, method, parameters } satisfies Call);
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  /** What computes, as text, and whether it is software. */
  async adapter(): Promise<{ text: string; software: boolean }> {
    const { name, software } = JSON.parse(await this.call("adapter")) as { name: string; software: boolean };
    if (this.isChosen) return { text: t("float64 on the processor, because recorded runs were chosen"), software };
    if (this.double) return { text: t("float64 on the processor, without WebGPU"), software };
    if (this.backend === "processor") return { text: t("float32 on your processor"), software };
    const adapter = adapterName(name) || "WebGPU";
    return { text: t(software ? "float32 on {adapter}, a software adapter" : "float32 on {adapter}", { adapter }), software };
  }

  /** Terminates the worker. Pending calls are never answered. */
  close(): void {
    this.worker.terminate();
    this.waiting.clear();
  }
}

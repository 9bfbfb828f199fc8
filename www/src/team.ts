// The lead's side of a team: workers that train replicas of a run on other cores. The worker with the run sends each of them the batches,
// and gets back states, so that nothing else of a run knows of the team.
import { MEMBER_NAME } from "./worker_name";

/** A message to a member: the run that follows, or a task in it. `run` counts the runs of the lead. */
export type ToMember =
  | { kind: "open"; run: number; module: WebAssembly.Module; config: string; outline: string; member: number; size: number }
  | { kind: "task"; run: number; chunk: number; train: boolean; samples: number; upload: Uint8Array<ArrayBuffer>; state: Uint8Array<ArrayBuffer> | undefined };

/** A member's answer to a task: the results of the chunk, or why there are none. */
export type FromMember = { run: number; chunk: number } & ({ results: Uint8Array<ArrayBuffer> } | { error: string });

interface Waiting {
  resolve(results: Uint8Array<ArrayBuffer>): void;
  reject(error: Error): void;
}

/** Number of workers for a run, the lead included: one for each replica, while a core is left for the page, which draws all the time. */
export const teamSize = (replicas: number, cores: number): number => Math.max(Math.min(replicas, cores - 1), 1);

/** The members of a lead. They stay from run to run, until one fails. */
export class Team {
  private readonly members: Worker[] = [];
  /** Tasks under way, by chunk. */
  private readonly waiting = new Map<number, Waiting>();
  private run = 0;
  private size = 1;

  constructor(private readonly module: WebAssembly.Module) {}

  /** Has `size - 1` members prepare a run, as `TeamMember.open` wants it. Tasks may follow at once. */
  open(size: number, config: string, outline: string): void {
    this.run += 1;
    this.size = size;
    this.waiting.clear();
    const { run, module } = this;
    for (let member = 1; member < size; member++) {
      this.send(member, { kind: "open", run, module, config, outline, member, size });
    }
  }

  /** Sends a task (`Team` in `web/src/team.rs`). The bytes of `upload` are valid during the call only. */
  assign(chunk: number, train: boolean, samples: number, upload: Uint8Array, state: Uint8Array<ArrayBuffer> | undefined): Promise<Uint8Array> {
    const results = new Promise<Uint8Array>((resolve, reject) => this.waiting.set(chunk, { resolve, reject }));
    const copy = upload.slice() as Uint8Array<ArrayBuffer>;
    this.send(chunk % this.size, { kind: "task", run: this.run, chunk, train, samples, upload: copy, state }, state === undefined ? [copy.buffer] : [copy.buffer, state.buffer]);
    return results;
  }

  private send(member: number, message: ToMember, transfer: Transferable[] = []): void {
    (this.members[member - 1] ??= this.start()).postMessage(message, transfer);
  }

  private start(): Worker {
    // The same file as the lead's: the browser has it already.
    const worker = new Worker(self.location.href, { type: "module", name: MEMBER_NAME });
    worker.onmessage = ({ data }: MessageEvent<FromMember>) => {
      if (data.run !== this.run) return;
      if ("error" in data) return this.fail(data.error);
      const waiting = this.waiting.get(data.chunk);
      this.waiting.delete(data.chunk);
      waiting?.resolve(data.results);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.fail(event.message || "it did not load");
    };
    return worker;
  }

  /** Ends the run, and all members with it: what failed may not work again. */
  private fail(reason: string): void {
    const error = new Error(`a worker that trains a copy stopped (${reason})`);
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
    for (const member of this.members.splice(0)) member.terminate();
  }
}

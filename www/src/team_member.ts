// A member of a team: a worker that trains replicas for the worker with the run.
import type { TeamMember } from "../pkg/processor/lastbit_web";
import { type Core, loadCore } from "./core";
import { messageOf } from "./message_of";
import { SliceQueue } from "./slice_queue";
import type { FromMember, ToMember } from "./team";

let core: Promise<Core> | undefined;
/** The run's member, or the reason why it did not open, which is the answer to its tasks. */
let member: TeamMember | Error | undefined;

const queue = new SliceQueue((error) => (member = error instanceof Error ? error : new Error(String(error))));

/** Answers messages of the lead, one after the other. */
export function answerLead(message: ToMember): void {
  queue.add(() => (message.kind === "open" ? open(message) : work(message)));
}

async function open({ module, config, outline, member: number, size }: Extract<ToMember, { kind: "open" }>): Promise<void> {
  if (member !== undefined && !(member instanceof Error)) member.free();
  member = undefined;
  core ??= loadCore("processor", Promise.resolve(module));
  member = await (await core).TeamMember.open(config, outline, number, size);
}

async function work({ run, chunk, train, samples, upload, state }: Extract<ToMember, { kind: "task" }>): Promise<void> {
  const answer = (message: FromMember, transfer: Transferable[] = []): void => postMessage(message, { transfer });
  try {
    if (member === undefined || member instanceof Error) throw member ?? new Error("no run is open");
    const results = (await member.work(chunk, train, samples, upload, state)) as Uint8Array<ArrayBuffer>;
    answer({ run, chunk, results }, [results.buffer]);
  } catch (error) {
    answer({ run, chunk, error: messageOf(error) });
  }
}

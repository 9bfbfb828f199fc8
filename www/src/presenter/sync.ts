// Keeps the windows of one talk at the same place, over a BroadcastChannel: the browser carries it, no server does. The newest
// move wins in every window.

/** A move to a place. */
export interface Move {
  place: string;
  /** Milliseconds since 1970. All windows are on one machine, and have one clock. */
  at: number;
  /** The window that moved. */
  from: string;
}

/** What windows send each other. */
type Message = { kind: "moved"; role: Role; sender: string; move: Move } | { kind: "where" } | { kind: "left"; from: string };

/** What a window shows: the talk, or the notes on it. */
export type Role = "talk" | "notes";

/** Whether `move` is newer than `known`. Every window decides alike, also between moves of the same millisecond. */
export function isNewer(move: Move, known: Move | undefined): boolean {
  if (known === undefined || move.at !== known.at) return move.at > (known?.at ?? -1);
  return move.from > known.from;
}

/** The part of a BroadcastChannel that is used here. */
export type Channel = Pick<BroadcastChannel, "postMessage" | "close"> & { onmessage: ((event: MessageEvent<Message>) => void) | null };

interface Listeners {
  /** Called when another window has moved to a place. */
  onPlace: (place: string) => void;
  /** Called with the number of windows that show the talk, other than this one, when it changes. */
  onTalks?: (count: number) => void;
}

/** One window of a talk. */
export class Sync {
  private readonly id: string;
  private known: Move | undefined;
  private readonly talks = new Set<string>();

  constructor(
    private readonly role: Role,
    private readonly listeners: Listeners,
    private readonly channel: Channel = new BroadcastChannel("lastbit-talk") as Channel,
    private readonly now: () => number = Date.now,
  ) {
    this.id = `${role}-${now()}-${Math.random()}`;
    channel.onmessage = ({ data }) => this.receive(data);
    if (role === "notes") this.send({ kind: "where" });
  }

  /** Says that this window has arrived at `place`, unless that is where it was sent. */
  arrive(place: string): void {
    if (this.known?.place === place) return;
    // The notes open at the place of their address, and then ask where the talk is.
    const isFirst = this.known === undefined && this.role === "notes";
    this.known = { place, at: isFirst ? 0 : Math.max(this.now(), (this.known?.at ?? 0) + 1), from: this.id };
    if (!isFirst) this.tell();
  }

  /** Says that this window is not on screen any more. It may come back from the browser's history. */
  away(): void {
    if (this.role === "talk") this.send({ kind: "left", from: this.id });
  }

  /** Says where the talk is. */
  tell(): void {
    if (this.known !== undefined) this.send({ kind: "moved", role: this.role, sender: this.id, move: this.known });
  }

  /** Leaves the talk. */
  close(): void {
    this.away();
    this.channel.close();
  }

  private receive(message: Message): void {
    switch (message.kind) {
      case "where":
        if (this.role === "talk" && this.known !== undefined) this.tell();
        return;
      case "left":
        if (this.talks.delete(message.from)) this.listeners.onTalks?.(this.talks.size);
        return;
      case "moved": {
        const { move, role, sender } = message;
        if (role === "talk" && !this.talks.has(sender)) {
          this.talks.add(sender);
          this.listeners.onTalks?.(this.talks.size);
        }
        if (!isNewer(move, this.known)) return;
        this.known = move;
        this.listeners.onPlace(move.place);
        return;
      }
    }
  }

  private send(message: Message): void {
    this.channel.postMessage(message);
  }
}

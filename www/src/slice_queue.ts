// The work of a worker, one piece after the other: commands, and the slices of a loop between them.

/** Pieces of work that run in order. At most one slice of the loop waits, so that whoever starts it twice still has one loop. */
export class SliceQueue {
  /** The last piece. The next one waits for it. */
  private tail: Promise<void> = Promise.resolve();
  private hasSlice = false;
  /** Number of pieces that have not ended. */
  waiting = 0;

  /** `fail` is called with the error of a piece; the next piece runs nevertheless. */
  constructor(private readonly fail: (error: unknown) => void) {}

  /** Runs `work` after all pieces that were added before. */
  add(work: () => Promise<void> | void): void {
    this.waiting += 1;
    this.tail = this.tail.then(work).catch(this.fail).then(() => void (this.waiting -= 1));
  }

  /** Adds a slice of the loop, unless one waits already. */
  addSlice(slice: () => Promise<void>): void {
    if (this.hasSlice) return;
    this.hasSlice = true;
    this.add(() => {
      this.hasSlice = false;
      return slice();
    });
  }
}

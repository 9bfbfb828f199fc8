// Live parts that wait off screen with their runs, while the reader is in another chapter or view.
import type { Exhibit } from "./chapter";

/** Suspended live parts by chapter. Each holds a worker with a run and its memory, so there are few. */
export class KeptExhibits {
  /** The one that has waited longest comes first. */
  private readonly kept = new Map<number, Exhibit>();

  /** Keeps at most `most` live parts. */
  constructor(private readonly most: number) {}

  /** Suspends a live part that leaves the screen, and closes the one that has waited longest if there are too many. */
  put(chapter: number, exhibit: Exhibit): void {
    if (exhibit.suspend?.() !== true) {
      exhibit.close();
      return;
    }
    this.kept.set(chapter, exhibit);
    for (const [oldest, waiting] of this.kept) {
      if (this.kept.size <= this.most) break;
      this.kept.delete(oldest);
      waiting.close();
    }
  }

  /** Resumes and returns the live part of a chapter, if it has waited. */
  take(chapter: number): Exhibit | undefined {
    const exhibit = this.kept.get(chapter);
    this.kept.delete(chapter);
    exhibit?.resume?.();
    return exhibit;
  }

  /** Closes all. */
  clear(): void {
    for (const exhibit of this.kept.values()) exhibit.close();
    this.kept.clear();
  }
}

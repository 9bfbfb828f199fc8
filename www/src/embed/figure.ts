// What every figure that stands alone has in common: it can be played and paused, and says when it has changed.

/** A figure that stands alone. */
export interface LoneFigure {
  element: HTMLElement;
  /** The page's address that shows the same. */
  page: string;
  /** What is wrong with the address, as text. */
  problems: string[];
  running(): boolean;
  finished(): boolean;
  /** Steps that are shown. */
  step(): number;
  /** Starts, continues, or begins again after the end. */
  play(): void;
  pause(): void;
  /** What failed; `undefined` while nothing has. */
  error(): string | undefined;
  close(): void;
}

// The messages between the page and the worker of the equations.
import type { Equations } from "../../pkg/lastbit_web";

/** A method of `Equations` (`web/src/pde.rs`). */
export type Method = Exclude<keyof Equations & string, "free">;

/** A call, sent to the worker. */
export interface Call {
  id: number;
  /** Whether the host computes, in float64; the first call decides. */
  double: boolean;
  method: Method;
  parameters: unknown[];
}

/** The answer to a call, from the worker. */
export type Answer = { id: number; value: unknown } | { id: number; error: string };

// Chapter 5: instability that is restrained. The nonlinear one-layer network.
import { nonlinear } from "../pde/nonlinear";
import "../style/pde.css";
import type { Exhibit } from "./chapter";

/** Creates the live part. */
export const exhibit = (seen: () => void): Exhibit => nonlinear({ seen });

// Chapter 4: why a step size can be unstable. The heat equation.
import { heat } from "../pde/heat";
import "../style/pde.css";
import type { Exhibit } from "./chapter";

/** Creates the live part. */
export const exhibit = (seen: () => void): Exhibit => heat({ seen });

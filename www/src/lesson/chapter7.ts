// Chapter 7: choose the learning rate. Where rounding errors grow and where not, and what a small rate learns.
export { rateRuns as exhibit } from "./rate_runs";

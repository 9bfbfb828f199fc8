// The run of the first view and of the lesson's last chapter: a smooth network without momentum, as in the paper's experiment, small
// enough for any machine. Its copies part at high learning rates and stay together at low ones.
import { defaults, type Values } from "../properties";

/** Learning rates, from one at which the copies stay together to one at which they part within seconds. */
export const RATES = [0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6];
/** Those of the recorded runs (www/recorded/runs.mjs). */
export const RECORDED_RATES = [0.0125, 0.05, 0.2, 0.8];

/** The rate of the first view's first run. */
export const FIRST_RATE = 0.8;
/** Steps of a run of the first view: until long after the copies have parted. A page that nobody looks at need not compute for ever. */
export const FIRST_STEPS = 1000;

/** The lesson's network. Its sizes do not depend on the adapter. */
export const LESSON_RUN: Values = {
  net: "resnet8",
  width: "0.5",
  dataset: "synthetic",
  ks: "1,3,2",
  "batch-size": "8",
  "test-limit": "64",
  "eval-every": "0",
};

/** The run at `rate`, `steps` steps long. Small batches make many steps a second. */
export function smoothRun(rate: number, steps: number): Values {
  return defaults({ ...LESSON_RUN, "batch-size": "4", activation: "swish", momentum: "0", lr: String(rate), steps: String(steps) });
}

// The words of chapter 5, in English.
import type { ChapterText } from "../chapter";

export const text: ChapterText = {
  title: "Unstable, but restrained",
  text: [
    "A network is not linear, and that changes what happens beyond the edge. Here is the smallest one that shows it: one " +
      "layer, trained on one image by plain gradient descent.",
    "Below dt = 0.0322 it settles. Beyond, the settled state is unstable, as the rod was, but the growth is limited: the " +
      "activation bends, and pushes the weights back. The loss first hops between two values, and from about 0.049 on it " +
      "wanders without end: chaos. It blows up only beyond 0.1.",
    "Where it wanders, a last bit is enough: the copies with k = 1 and k = 3 part. Their distance grows until it is as large as " +
      "the orbit.",
  ],
  task: "Move dt from 0.02 to 0.07.",
  sight:
    "At 0.02 the copies part in the last bits and come together again. At 0.07 their distance grows more than twofold a step on " +
    "average, until the two losses are unrelated; yet neither blows up.",
  teacher: {
    notes: [
      "The paper calls this *restrained instability*: locally unstable, globally bounded. It is what large networks do at " +
        "the learning rates that people use.",
      "The edge is 2 / sharpness. The sharpness is the largest curvature of the loss at the minimum: the 1 − dt λ of chapter 4 again.",
      "Try 0.06: inside the chaos there are windows in which the loss hops between four values, and the copies come together again.",
    ],
    questions: [
      ["Why does the distance not grow for ever?", "Both copies stay in the same bounded region. Two points in it cannot be farther apart than the region is wide."],
      ["The copies part at 0.07. Is one of them wrong?", "No. Beyond about twenty steps the exact orbit cannot be computed with 24 bits. What can be known is how the loss is distributed, not where it is at step 500."],
      ["Where have you seen such a map of branches before?", "The logistic map x ← r x (1 − x): settles, hops, doubles its period, chaos, escapes beyond r = 4."],
    ],
  },
};

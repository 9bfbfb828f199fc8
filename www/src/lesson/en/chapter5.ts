// The words of chapter 5, in English.
import type { ChapterText } from "../chapter";

export const text: ChapterText = {
  title: "Unstable, but restrained",
  text: [
    "A network is not linear, and that changes what happens beyond the edge. Here is the smallest one that shows it: one " +
      "layer, trained on one image by plain gradient descent.",
    "Below dt = 0.0322 it settles: its loss comes to rest, and a small deviation dies out. Beyond, a small deviation grows, as the " +
      "zigzag of the rod did. But the rod had nothing that could stop the zigzag.",
    "The map below the curves shows for every dt which losses the network has after a long time: one point where it settles.",
  ],
  task: "Move dt from 0.02 to 0.07.",
  sight:
    "At 0.02 the copies part in the last bits and come together again. At 0.07 the loss wanders without end, which is called chaos, and a last " +
    "bit is enough: the distance of the copies grows more than twofold a step on average, until their losses are unrelated. Yet neither blows up: the " +
    "network is curved, and far from rest it pushes the weights back. In between, up to about 0.049, the loss hops between two values. It blows up " +
    "only beyond 0.1.",
  teacher: {
    notes: [
      "The paper calls this *restrained instability*: locally unstable, globally bounded. It is what large networks do at " +
        "the learning rates that people use.",
      "The edge is 2 / sharpness. The sharpness is the largest curvature of the loss at the minimum: the 1 − dt λ of chapter 4 again.",
      "Try 0.06: inside the chaos there are windows in which the loss hops between four values, and the copies come together again.",
    ],
    questions: [
      ["Why does the distance not grow for ever?", "Both copies stay in the same bounded region. Two points in it cannot be farther apart than the region is wide."],
      ["The copies part at 0.07. Is one of them wrong?", "No. Beyond about twenty steps the exact weights cannot be computed with 24 bits. What can be known is how the loss is distributed, not where it is at step 500."],
      ["Where have you seen such a map of branches before?", "The logistic map x ← r x (1 − x): settles, hops, doubles its period, chaos, escapes beyond r = 4."],
    ],
  },
};

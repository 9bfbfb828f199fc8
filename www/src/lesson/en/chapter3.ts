// The words of chapter 3, in English.
import type { ChapterText } from "../chapter";

export const text: ChapterText = {
  title: "Three copies and their last bits",
  text: [
    "Here are three copies of one network, with the same starting weights, the same images in the same order and the same " +
      "arithmetic. They are trained with k = 1, 3 and 2, and differ in nothing else. The recipe is a common one: learning rate 0.1, momentum 0.9 and " +
      "ReLU. (The network of the first view is smooth and has no momentum; its copies part later.)",
    "After the first step about one weight in a hundred differs between k = 1 and k = 3, each in its last bits. The next " +
      "step computes its gradients from these weights. So does every step after it.",
    "Below the curve are the 32 bits of one weight, step by step (later, every tenth step): where k = 3 differs from k = 1, they are lit.",
  ],
  task:
    "Start the run and watch the curve of k = 3. The scale is logarithmic: it shows powers of ten, and equal heights are equal factors. " +
    "Then flip one bit of k = 2, and watch the lamp “Control green”.",
  sight:
    "k = 3 starts at a billionth and climbs past a hundredth within about thirty steps, ten million times as far. k = 2 stays at exactly zero " +
    "while nobody touches it, so only rounding can be the reason. One flipped bit turns the lamp red.",
  teacher: {
    notes: [
      "Relative L1 is the mean of 2|a − b| / (|a| + |b|) over the weights: 0 for equal bits, 2 at most. Two ResNet-20 from " +
        "different seeds are 1.4 apart. After 100 steps of a ResNet-20 on CIFAR-10, k = 3 and k = 1 are 0.56 apart, as far " +
        "as each is from their common start (0.54).",
      "“Flip one bit of k = 2” shows what a green lamp is worth: a single bit of 19,954 parameters is noticed, after one step. The " +
        "flipped copy then drifts away as well, at first by last bits of hundreds of weights. Recorded runs do not have the button.",
      "Both copies learn. Neither is “the right one”: each is what the formula gives, rounded.",
    ],
    questions: [
      ["What does the control prove?", "That the machine repeats itself exactly, and that only rounding separates k = 3 from k = 1. Without it one could blame the GPU, the order of sums or a bug."],
      ["The curve is straight on this scale for a while. What does that mean?", "The distance grows by the same factor each step: exponential growth, as a small disturbance grows in an unstable system."],
      ["Why does it bend at the top?", "Two networks cannot be farther apart than the weights are large. Something restrains the growth; chapter 5 shows what."],
      ["Would float64 help?", "It would start at 10^-18 instead of 10^-9. With the same growth that buys some steps, no more."],
    ],
  },
};

// The words of chapter 1, in English.
import type { ChapterText } from "../chapter";

export const text: ChapterText = {
  title: "A number is 32 bits",
  text: [
    "A weight of a network is a float32: a number that is stored in 32 bits.",
    "The first bit is the sign. The next eight say between which two powers of two the number lies. The other 23 say where " +
      "between them: they divide the interval from one power to the next into 8,388,608 equal steps. That is about seven decimal " +
      "digits, and nothing lies between two steps. Every result of every addition and multiplication is rounded to one of them.",
    "So 0.1 is not exactly 0.1. It is the nearest float32.",
  ],
  task: "Click the last bit, the one with the thick frame. Then click an exponent bit, for comparison.",
  sight:
    "The last bit moves 0.1 by 7.5 billionths, one part in 13 million. An exponent bit multiplies or divides it by a power of two: it becomes 0.05, or " +
    "3.4 · 10³⁷. Everything in this lesson begins with a change of the first kind.",
  teacher: {
    notes: [
      "Let the class guess the exact value of 0.1 before they read it. Then type 16777217: the box answers 16777216, the " +
        "first whole number that float32 skips.",
      "Two minutes are enough. What must stick: *rounding is relative*. The step is about 1/10,000,000 of the number, " +
        "whether the number is a weight of 0.01 or a loss of 2.3.",
    ],
    questions: [
      ["How many float32 lie between 1 and 2? Between 1024 and 2048?", "8,388,608 each: 2^23 steps from any power of two to the next."],
      ["Why can 0.1 not be a float32, however many bits there are?", "A binary fraction is a whole number over a power of two. 1/10 has a factor 5 in its denominator."],
      ["1 + 0.00000005 in float32?", "1. The step above 1 is 2^-23, about 0.00000012, and less than half of it is rounded away."],
    ],
  },
};

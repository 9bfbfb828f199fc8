// The words of chapter 4, in English.
import type { ChapterText } from "../chapter";

export const text: ChapterText = {
  title: "A step that is too long",
  text: [
    "Gradient descent follows a smooth path in steps, and the learning rate is the length of a step. Computers solve " +
      "differential equations in the same way. A simple one is heat in a rod: each point moves towards the mean " +
      "of its neighbours, _u_ ← _u_ + dt (left − 2 _u_ + right). The rod starts as a tent: hot in the middle, cold at both ends.",
    "Take the fastest pattern, a zigzag from point to point. On this rod of 31 points a step multiplies it by 1 − 3.989 dt, " +
      "whatever else the rod does. While this factor is between −1 and 1, the zigzag dies out. At dt = 0.501 the factor reaches −1: " +
      "that is the edge.",
  ],
  task: "Move dt from 0.4 past the edge, to about 0.55.",
  sight:
    "Up to dt = 0.50137 the tent melts smoothly. A little beyond, a zigzag grows out of almost nothing by the same factor every " +
    "step, and never stops: on the logarithmic scale it follows the straight line of theory. However small it was, it grows: a rounding " +
    "error is enough. Below the edge it falls only to a hundred-millionth: every step rounds a little of it back in.",
  teacher: {
    notes: [
      "Write the step for a pure zigzag, u = (+1, −1, +1, …): left − 2u + right = −4u, so u ← (1 − 4 dt) u. On an endless rod " +
        "the edge is dt = 1/2. With 31 points and fixed ends the fastest pattern is a little slower: 4 becomes 4 sin²(29π/60) = 3.989, and the " +
        "edge is 2/3.989 = 0.50137.",
      "The start already contains the zigzag: the kink of the tent holds a little of every pattern. Without it, rounding would " +
        "bring it in. You can see that at dt = 0.4: in theory the zigzag vanishes, but the computed one " +
        "stops at a hundred-millionth, because every step rounds some of it back in.",
      "The same computation holds for gradient descent on a parabola of curvature λ: _w_ ← (1 − dt λ) _w_, stable below dt = 2/λ.",
    ],
    questions: [
      ["At dt = 0.53, after how many steps is the zigzag a thousand times as large? Check it in the plot.", "The factor is 1 − 3.989 · 0.53 = −1.1142. ln 1000 / ln 1.1142 = 64 steps: from 0.0033 at the start to 3.3."],
      ["Does the zigzag need the tent?", "No. The equation is linear: every pattern is multiplied by its own number, independent of all others."],
      ["What would stop the growth?", "Nothing in this equation. It would take something nonlinear."],
    ],
  },
};

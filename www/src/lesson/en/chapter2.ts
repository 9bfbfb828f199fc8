// The words of chapter 2, in English.
import type { ChapterText } from "../chapter";

export const text: ChapterText = {
  title: "Divide and multiply by three",
  text: [
    "Divide a number by three, then multiply it by three. On paper you are back where you began.",
    "In float32 the quotient is rounded, and the error may survive the way back. Dividing by 2 or 4 only lowers the " +
      "exponent, so nothing is lost.",
    "lastbit trains copies of a network that differ only in this. A step changes each weight _p_: _p_ ← _p_ − _lr_ · _d_. Here _d_ says " +
      "in which direction the error grows, and the learning rate _lr_ how far to go the other way. Copy k takes " +
      "_p_ ← _p_ − (_lr_ k) · (_d_ / k). On paper the step is the same for every k. For k = 2 the bits are the same as well; " +
      "for k = 3 the result is sometimes the next float32, above or below. The table has both: _d_ divided and multiplied alone, and a whole step.",
  ],
  task: "Choose k = 3 and press “Try 100,000 numbers”. Then do the same with k = 2.",
  sight:
    "With k = 3 about one number in seven does not come back. Of the weights, only about one in a hundred ends at the next float32, above or " +
    "below: a step is much smaller than the weight, and rounding the sum hides most errors of the step. With k = 2 every number comes " +
    "back and no weight differs.",
  teacher: {
    notes: [
      "This is the whole perturbation. No noise is added and nobody is careless: both formulas are correct, both are " +
        "rounded correctly, and a compiler might well turn one into the other.",
      "k = 2 is the control of the experiment. If a copy with k = 2 ever differed from k = 1, something other than " +
        "rounding would be going on.",
    ],
    questions: [
      ["Why does a power of two lose nothing?", "Only the exponent changes; the 23 bits that would be rounded stay as they are (unless the number becomes as small as 10^-38)."],
      ["One in seven numbers, but one in a hundred weights. Why fewer?", "A step changes a weight by much less than the weight itself. An error in the last bit of the small change mostly disappears when it is added to the large weight."],
      ["Which other harmless rewriting changes last bits?", "Adding in another order: (a + b) + c against a + (b + c). Parallel sums on a GPU do it all the time."],
    ],
  },
};

// The words of chapter 7, in English.
import type { ChapterText } from "../chapter";

export const text: ChapterText = {
  title: "Choose the learning rate",
  text: [
    "A large network does the same, in as many dimensions as it has weights. At a given learning rate some directions are unstable, and " +
      "rounding errors grow along them until the network’s nonlinearity restrains them. A shorter step leaves fewer such directions.",
    "Here the network is smooth: its neurons bend their input in a curve (Swish) instead of a kink (ReLU). And no step repeats a part of the " +
      "one before (no momentum). Both are as in the experiment of the research paper that this page is about. The images and the starting weights are " +
      "the same for every rate.",
    "A shorter step also learns less. The fair comparison is after the same *learning time*, the rate times the number of steps: " +
      "800 steps at 0.0125 go as far as 100 steps at 0.1.",
  ],
  task:
    "Run it at the highest rate, then at 0.1 and at 0.0125. Read the losses: what has each learned? Choose “learning time”, and let " +
    "0.0125 run on, to step 800.",
  sight:
    "After 100 steps k = 3 is more than a tenth away at 1.6, and a hundred-thousandth or less at 0.1, although it has learned no less. " +
    "At 0.0125 the network has learned next to nothing by then: its loss is nearly that of guessing among ten classes, ln 10 = 2.3. At step 800 its loss is " +
    "about 1.5, lower than that of 0.1 at the same learning time, and the copies are still within some millionths, apart from single steps. In learning time look at how many steps a curve has: at 1.6 a few " +
    "steps go as far, too few for anything to grow.",
  teacher: {
    notes: [
      "A good student objects: “At 0.0125 nothing has been learned, so of course nothing parts.” The second plot and the learning time " +
        "answer it: the plots end where the newest run does, and the numbers in the legend are those at that time. At learning time 40 the loss is 1.4 at 0.4 (100 steps), 1.1 at 0.2 (200), 0.8 at 0.1 (400) and 0.9 at 0.05 (800), " +
        "and the distance 0.3, less than 0.001, less than 0.0001 and about 0.00001.",
      "Be exact about what a smaller rate does. For this smooth network without momentum the growth all but vanishes: at 0.1 the copies " +
        "are about 0.0001 apart after 1600 steps. With ReLU and " +
        "momentum 0.9, the common recipe, it becomes slower but does not vanish: a ResNet-20 on CIFAR-10 with momentum is 0.05 " +
        "apart after 60 steps at learning rate 0.003, instead of 0.5 at 0.1. ReLU has a kink, and a last bit may decide on which side of it a number falls.",
      "Deeper networks need lower rates: a ResNet-20 with Swish, batch 128 and no momentum is 0.08 apart after 200 steps at 0.05, and " +
        "below a hundred-thousandth for a thousand steps at 0.003.",
      "This is not advice to train at 0.003. The point is what a reported accuracy means: two correct runs of the same recipe may " +
        "differ by as much as two seeds do.",
    ],
    questions: [
      ["Then why not always choose the small rate?", "Each step costs the same, and 0.0125 needs eight times as many as 0.1 to learn as much. In practice large steps also find better solutions. The instability is the price."],
      ["Your colleague improved a network by 0.3 %. What do you ask?", "How far apart are runs that differ only in the last bit, or only in the seed? A difference within that spread is not an improvement."],
      ["Which number gives the stable rate of a direction?", "Its curvature λ: 2/λ without momentum, for the linearised step. Chapter 4 again."],
    ],
  },
};

// The words of chapter 6, in English.
import type { ChapterText } from "../chapter";

export const text: ChapterText = {
  title: "Sharpness against 2 / learning rate",
  text: [
    "In a large network every direction has its own curvature, and the largest one is called the *sharpness*. A step of gradient descent is stable " +
      "where the sharpness is below 2 / learning rate, as 1 − dt λ was for the rod. So is training stable? That depends on where it goes.",
    "Here a small network learns 128 images, all of them in every step. Every ten steps the page measures the sharpness of its loss: the largest eigenvalue " +
      "of the matrix of second derivatives. The dashed line is 2 / learning rate.",
    "Below it is the distance of the copies, which differ in rounding only, as before.",
  ],
  task: "Run it at 0.05, to the end. Then at 0.1, and at 0.025: the run before stays as a dotted curve.",
  sight:
    "At 0.05 the sharpness begins at 13, far below 2 / 0.05 = 40, and rises. At about step 110 it crosses 40, goes on to about 50, and from step 180 on stays close to 40. " +
    "Apart from single steps, the copies are less than a millionth apart until step 130; 30 steps later they are more than a thousand times as far. At 0.1 the sharpness crosses 20 within 30 steps, " +
    "the copies part by step 50, and in the end it stays close to 20. At 0.025 it does not reach 80, and the copies stay together.",
  teacher: {
    notes: [
      "Cohen et al. (2021) named both: *progressive sharpening*, and the *edge of stability* at 2 / learning rate, where the loss jumps from step to step and still falls over " +
        "many steps. The paper that this page is about has the same threshold, 2 / dt, from its analysis of a partial differential equation, and adds what rounding errors do there " +
        "(NeurIPS 2022; journal version: Journal of Machine Learning Research 25(174), 2024).",
      "The second curve, Batch Sharpness, is the curvature along the gradient. Below the edge it is near 0, because the gradient points along directions of low curvature. " +
        "Beyond the edge the steps zigzag along the sharpest direction, and it rises to 2 / learning rate.",
      "Be exact about what this run is: full batches, no momentum, squared error, a smooth activation. With small batches it is Batch Sharpness that settles at 2 / learning rate, " +
        "not the largest eigenvalue, and momentum moves the edge. `lastbit reproduce edge` tries such runs.",
      "Measuring changes no bit of the run. The lamp is on the control as in chapter 3.",
    ],
    questions: [
      ["Why does the sharpness not go on rising?", "Beyond the edge the weights zigzag along the sharpest direction. The loss is no parabola: such a zigzag pushes the weights to where the sharpness is lower. There it dies out, and the sharpness rises again."],
      ["Do the copies part because the sharpness is high?", "No: because it is above 2 / learning rate. At 0.1 they part at a sharpness of about 30, above 20. At 0.025 they stay together at 44, below 80."],
      ["Which sharpness would you expect at a learning rate of 0.04?", "2 / 0.04 = 50, if training goes on long enough to get there. Open the run in the lab, and change its learning rate."],
    ],
  },
};

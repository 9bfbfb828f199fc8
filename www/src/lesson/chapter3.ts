// Chapter 3: three copies and their last bits. A run of the lesson's network, live.
import { h, setText } from "../dom";
import { FlipButton } from "../lab/flip";
import { showNumber } from "../numbers";
import { Climb } from "../run/climb";
import { lampState } from "../run/lamp";
import { Session } from "../run/session";
import type { Chapter, Exhibit } from "./chapter";
import { Cover } from "./cover";
import { openRun, runPanel } from "./run_panel";

/** Steps of the run: long enough to see the curve bend. */
const STEPS = 120;
/** The chapter counts as seen at this relative L1 of k = 3, while the control is at zero. */
const PARTED = 0.01;

export const chapter: Chapter = {
  title: "Three copies and their last bits",
  text: [
    "Here are three copies of one network, with the same starting weights, the same images in the same order and the same " +
      "arithmetic. They are trained with k = 1, 3 and 2, and differ in nothing else.",
    "After the first step about one weight in a hundred differs between k = 1 and k = 3, each in its last bits. The next " +
      "step computes its gradients from these weights. So does every step after it.",
    "Below the curve are the 32 bits of one weight, step by step (later, every tenth step): where k = 3 differs from k = 1, they are lit.",
  ],
  task:
    "Start the run and watch the curve of k = 3. The scale is logarithmic: it shows powers of ten, and equal heights are equal factors. " +
    "Then flip one bit of k = 2, and watch the lamp.",
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
  exhibit,
};

async function exhibit(seen: () => void): Promise<Exhibit> {
  const opened = await openRun({ lr: "0.1", steps: String(STEPS) }, "parting");
  const { run } = opened;
  const [loss1, loss3, differing3, differing2] = ["loss-k1", "loss-k3", "differing-k3", "differing-k2"].map((id) =>
    h("dd", { "data-testid": id }, "–"),
  ) as [HTMLElement, HTMLElement, HTMLElement, HTMLElement];
  const numbers = h(
    "dl",
    { class: "readout small" },
    h("div", {}, h("dt", {}, "loss, k = 1"), loss1),
    h("div", {}, h("dt", {}, "loss, k = 3"), loss3),
    h("div", {}, h("dt", {}, "weights of k = 3 that differ"), differing3),
    h("div", {}, h("dt", {}, "weights of k = 2 that differ"), differing2),
  );
  run.add({
    element: numbers,
    update: ({ record }) => {
      if (record === undefined) return;
      const [three, two] = [record.ks.indexOf(3), record.ks.indexOf(2)];
      showNumber(loss1, record.last("loss", 0));
      showNumber(loss3, record.last("loss", three));
      showNumber(differing3, record.last("differing", three));
      showNumber(differing2, record.last("differing", two));
      if ((record.last("relL1", three) ?? 0) > PARTED && record.last("differing", two) === 0) seen();
    },
  });
  const flip = run instanceof Session ? flipPart(run) : undefined;
  const element = h("div", { class: "panel exhibit" }, runPanel(opened), run.add(new Climb()).element, flip, numbers);
  return { element, suspend: opened.suspend, resume: opened.resume, close: () => run.close() };
}

/** The button that flips a bit of k = 2, and what it shows. */
function flipPart(session: Session): HTMLElement {
  const flip = session.add(new FlipButton((bit) => session.flipBit(bit), { text: "Flip one bit of k = 2", again: "“Start over” begins a run without one" }));
  const meaning = h("p", { class: "note", "data-testid": "flip-meaning" });
  const say = (step: number): void =>
    setText(meaning, `The last bit of one weight of k = 2 was flipped after step ${step}, and the lamp turned red. As long as it was green, not one bit differed: nothing but k had parted k = 3 from k = 1.`);
  say(STEPS);
  const cover = new Cover(h("p", { class: "note" }, "Would the lamp notice a single bit? Flip one while the run trains."), meaning);
  const element = h("div", { class: "flip" }, flip.element, cover.element);
  session.add({
    element,
    update: ({ record }) => {
      const flipped = record?.flips[0];
      if (flipped !== undefined) say(flipped.step);
      cover.set(flipped !== undefined && lampState(record) === "red");
    },
  });
  return element;
}

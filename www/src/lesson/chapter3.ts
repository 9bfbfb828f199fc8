// Chapter 3: three copies and their last bits. A run of the lesson's network, live.
import { h, setText } from "../dom";
import { FlipButton } from "../lab/flip";
import { t } from "../language/language";
import { showNumber } from "../numbers";
import { Climb } from "../run/climb";
import { lampState } from "../run/lamp";
import { Session } from "../run/session";
import type { Exhibit } from "./chapter";
import { Cover } from "./cover";
import { openRun, runPanel } from "./run_panel";

/** Steps of the run: long enough to see the curve bend. */
const STEPS = 120;
/**
 * The chapter counts as seen when k = 3 has been this relative L1 away while the control was at zero, and a flipped bit has turned the lamp
 * red. Recorded runs have no bit to flip.
 */
const PARTED = 0.01;

/** Creates the live part. */
export async function exhibit(seen: () => void): Promise<Exhibit> {
  const opened = await openRun({ lr: "0.1", steps: String(STEPS) }, "parting");
  const { run } = opened;
  let hasParted = false;
  const [loss1, loss3, differing3, differing2] = ["loss-k1", "loss-k3", "differing-k3", "differing-k2"].map((id) =>
    h("dd", { "data-testid": id }, "–"),
  ) as [HTMLElement, HTMLElement, HTMLElement, HTMLElement];
  const numbers = h(
    "dl",
    { class: "readout small" },
    h("div", {}, h("dt", {}, t("loss, k = 1")), loss1),
    h("div", {}, h("dt", {}, t("loss, k = 3")), loss3),
    h("div", {}, h("dt", {}, t("weights of k = 3 that differ")), differing3),
    h("div", {}, h("dt", {}, t("weights of k = 2 that differ")), differing2),
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
      hasParted ||= (record.last("relL1", three) ?? 0) > PARTED && (record.firstRed === undefined || record.flips.length > 0);
      if (hasParted && (!(run instanceof Session) || (record.flips.length > 0 && lampState(record) === "red"))) seen();
    },
  });
  const flip = run instanceof Session ? flipPart(run) : undefined;
  const element = h("div", { class: "panel exhibit" }, runPanel(opened), run.add(new Climb()).element, flip, numbers);
  return { element, suspend: opened.suspend, resume: opened.resume, close: () => run.close() };
}

/** The button that flips a bit of k = 2, and what it shows. */
function flipPart(session: Session): HTMLElement {
  const flip = session.add(new FlipButton((bit) => session.flipBit(bit), { text: t("Flip one bit of k = 2"), again: t("“Start over” begins a run without one") }));
  const meaning = h("p", { class: "note", "data-testid": "flip-meaning" });
  const say = (step: number): void =>
    setText(meaning, t("The last bit of one weight of k = 2 was flipped after step {step}, and the lamp turned red. As long as it was green, not one bit differed: nothing but k had parted k = 3 from k = 1.", { step }));
  say(STEPS);
  const question = h("p", { class: "note" });
  const cover = new Cover(question, meaning);
  const element = h("div", { class: "flip" }, flip.element, cover.element);
  session.add({
    element,
    update: ({ record, finished }) => {
      setText(question, finished ? t("The run has ended. “Start over”, and flip a bit while it trains.") : t("Would the lamp notice a single bit? Flip one while the run trains."));
      const flipped = record?.flips[0];
      if (flipped !== undefined) say(flipped.step);
      cover.set(flipped !== undefined && lampState(record) === "red");
    },
  });
  return element;
}

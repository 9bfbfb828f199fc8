// What the one-layer network shows in the lab: its copies part and come together again, unlike those of the other networks.
import { linkTo } from "../address";
import { h } from "../dom";
import { t, tNodes } from "../language/language";

/** The note below the plot, for the one-layer network with its default values. */
export function oneLayerNote(): HTMLElement {
  return h(
    "p",
    { class: "note", "data-testid": "one-layer-note" },
    ...tNodes(
      "This network heals. In the first ten steps most of its 1024 weights differ between k = 3 and k = 1, by some millionths at most. Below a learning rate of 0.032 all copies are drawn to the same minimum, so a step shrinks any difference: after thirty steps about twenty weights differ, and after fifty or sixty none does. Close to the minimum a step is so short that dividing by k no longer changes what a weight is rounded to. At a learning rate of 0.07 the copies part for good: {chapter} shows why.",
      { chapter: h("a", { href: linkTo("lesson/5") }, t("chapter 5 of the lesson")) },
    ),
  );
}

// Content behind a cover, in the room of the larger of the two, so that nothing moves when it is uncovered.
import { h } from "../dom";

/** A cover and what it hides. What is hidden is hidden from everybody: it is neither read out nor found by a search. */
export class Cover {
  readonly element: HTMLElement;

  constructor(
    private readonly lid: HTMLElement,
    private readonly content: HTMLElement,
  ) {
    this.element = h("div", { class: "cover" }, lid, content);
    this.set(false);
  }

  /** Shows the content if `isOpen`, else the cover. */
  set(isOpen: boolean): void {
    this.lid.classList.toggle("away", isOpen);
    this.content.classList.toggle("away", !isOpen);
  }
}

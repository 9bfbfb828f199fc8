// A line that says that the address names something that does not exist, above what is shown in its place.
import { h } from "./dom";

let note: HTMLElement | undefined;

/** Removes the line. The shell does so at each navigation. */
export function forgetUnknown(): void {
  note?.remove();
  note = undefined;
}

/** The line, if there is one. */
export const unknownNote = (): HTMLElement[] => (note === undefined ? [] : [note]);

/** Shows the line. */
export function tellUnknown(text: string): void {
  forgetUnknown();
  note = h("div", { class: "page unknown" }, h("p", { class: "notice warn", role: "status", "data-testid": "unknown" }, text));
  document.querySelector("main")?.prepend(note);
}

/** A part of an address as people read it. */
export function readable(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

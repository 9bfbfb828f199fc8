// How presenter mode and the notes are opened: by buttons in the lesson's contents, and by keys. The mode itself loads on demand.
import { linkTo } from "../address";
import { button, h } from "../dom";
import { t, tNodes } from "../language/language";
import { isPresenting, placeOfLink, PRESENT_CHANGED, queryOf, withPresent } from "./address";
import { actionOf } from "./keys";
import { hasShortcuts, useShortcuts } from "./shortcuts";

/** Switches presenter mode on or off. */
export function setPresenting(on: boolean): void {
  const link = withPresent(location.hash === "" ? linkTo("home") : location.hash, on);
  if (location.hash === link) return;
  history.replaceState(null, "", link);
  dispatchEvent(new Event(PRESENT_CHANGED));
}

/** Opens the notes on the current place in a second window, and puts this one into presenter mode, because the two keep in step there. */
export function openNotes(): void {
  // A number beyond the last chapter is put right by the window that opens.
  const place = placeOfLink(location.hash, Infinity) ?? "home";
  const address = new URL(linkTo(place, { speaker: "1" }), location.href).href;
  // A browser allows a second window only while it handles a key or a click, so nothing is loaded before.
  const opened = window.open(address, "lastbit-notes", "popup,width=900,height=760");
  document.querySelector(".blocked")?.remove();
  if (opened === null) document.querySelector("main")!.before(blocked(address));
  else opened.focus();
  setPresenting(true);
}

/** Says that the browser blocked the window, with a link to open it by hand. */
function blocked(address: string): HTMLElement {
  const link = h("a", { href: address, target: "_blank", onclick: () => notice.remove() }, t("Open the notes by hand"));
  const notice = h(
    "div",
    { class: "notice warn blocked", role: "alert", "data-testid": "blocked" },
    h("p", {}, ...tNodes("The browser blocked the second window. {link}.", { link })),
    h("div", { class: "toolbar" }, button(t("Close"), () => notice.remove())),
  );
  return notice;
}

/** The switch of the keys p and n. */
function shortcutSwitch(): HTMLElement {
  const input = h("input", { type: "checkbox", "data-testid": "shortcuts" });
  input.checked = hasShortcuts();
  input.addEventListener("change", () => useShortcuts(input.checked));
  return h("label", { class: "field check shortcuts", title: t("p presents, n opens the notes") }, input, h("span", {}, t("Keys p and n")));
}

/** Does what a key that opens one of them asks for. The caller has looked whether the keys are on. */
export function onShortcut(event: KeyboardEvent): void {
  const action = actionOf(event);
  if (action === "present") setPresenting(!isPresenting(queryOf(location.hash)));
  else if (action === "notes") openNotes();
}

/** The buttons in the lesson's contents, and the switch of their keys. */
export function presenterButtons(): HTMLElement[] {
  return [
    button(t("Present"), () => setPresenting(true), { class: "present-button", title: t("For a projector (key p)"), "data-testid": "present" }),
    button(t("Notes in a second window"), openNotes, { class: "present-button", title: t("Key n"), "data-testid": "open-notes" }),
    shortcutSwitch(),
  ];
}

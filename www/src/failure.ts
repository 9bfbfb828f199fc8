// Shows a loading error, with its remedy, in place of what did not load. Most often the host has a new version of the page,
// or there is no connection.
import { button, h } from "./dom";
import { t } from "./language/language";
import { messageOf } from "./message_of";

/** A notice that `what` did not load, with its `remedy`. */
export function failureNotice(what: string, error: unknown, remedy = t("Reload the page.")): HTMLElement {
  return h(
    "div",
    { class: "notice error", role: "alert" },
    h("p", { "data-testid": "error" }, t("{what} did not load: {reason}", { what, reason: messageOf(error) })),
    h("p", {}, remedy),
    h("div", { class: "toolbar" }, button(t("Reload"), () => location.reload(), { "data-testid": "reload" })),
  );
}

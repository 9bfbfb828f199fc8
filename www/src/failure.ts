// Shows a loading error, with its remedy, in place of what did not load. Most often the host has a new version of the page,
// or there is no connection.
import { button, h } from "./dom";

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A notice that `what` did not load. `otherwise` is another remedy, appended to “Reload the page”. */
export function failureNotice(what: string, error: unknown, otherwise = ""): HTMLElement {
  return h(
    "div",
    { class: "notice error", role: "alert" },
    h("p", { "data-testid": "error" }, `${what} did not load: ${messageOf(error)}`),
    h("p", {}, `Reload the page${otherwise}.`),
    h("div", { class: "toolbar" }, button("Reload", () => location.reload(), { "data-testid": "reload" })),
  );
}

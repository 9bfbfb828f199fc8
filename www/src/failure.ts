// Shows what could not be loaded, in its place, with the remedy: most often a new version of the page lies on the host,
// or there is no connection.
import { button, h } from "./dom";

/** The words of anything that was thrown. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A notice that `what` did not load. `otherwise`: what else one can do. */
export function failure(what: string, error: unknown, otherwise = ""): HTMLElement {
  return h(
    "div",
    { class: "notice error", role: "alert" },
    h("p", { "data-testid": "error" }, `${what} did not load: ${wordsOf(error)}`),
    h("p", {}, `Reload the page${otherwise}.`),
    h("div", { class: "toolbar" }, button("Reload", () => location.reload(), { "data-testid": "reload" })),
  );
}

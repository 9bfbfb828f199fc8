// Addresses of presenter mode: `?present=1` projects a view, `?speaker=1` shows the teacher's notes on it. Both stand in the query
// after `#`, so that they go along with the place.
import { linkTo, parseRoute } from "../address";
import type { Route } from "../view";

/** Sent to the window when presenter mode was switched on or off in the address. The view on screen stays, with its run. */
export const PRESENT_CHANGED = "lastbit-present";

/** Whether `query` asks for presenter mode. */
export const isPresenting = (query: URLSearchParams): boolean => query.get("present") === "1";

/** Whether `query` asks for the teacher's notes in a window of their own. */
export const isSpeaker = (query: URLSearchParams): boolean => query.get("speaker") === "1";

/** The query of a link or of `location.hash`. */
export const queryOf = (link: string): URLSearchParams => new URLSearchParams(link.split("?")[1] ?? "");

/** `link` in presenter mode, or if `on` is false out of it. */
export function withPresent(link: string, on: boolean): string {
  const query = queryOf(link);
  query.delete("present");
  if (on) query.set("present", "1");
  return linkTo(link.split("?")[0]!.replace(/^#\/?/, ""), query);
}

/** The place in the talk that a route names: `home`, `lesson/3` or `lab`; `undefined` if it is none. A lesson without a number is its first chapter. */
export function placeOf({ path, rest }: Pick<Route, "path" | "rest">, chapters: number): string | undefined {
  if (path === "home" || path === "lab") return path;
  if (path !== "lesson") return undefined;
  const number = Number.parseInt(rest, 10);
  return `lesson/${number >= 1 && number <= chapters ? number : 1}`;
}

/** The place that a link or `location.hash` names. */
export function placeOfLink(link: string, chapters: number): string | undefined {
  return placeOf(parseRoute(link, ["home", "lesson", "lab", "pde", "certify"]), chapters);
}

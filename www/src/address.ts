// Reads and makes addresses of views, and shows one without a reload.
import type { Route } from "./view";

/** Parses `#/path/rest?query`. If the path is none of `paths`, the route has the first of them. */
export function parseRoute(hash: string, paths: readonly string[]): Route {
  const [place = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [path = "", ...rest] = place.split("/");
  const isKnown = paths.includes(path);
  return {
    path: isKnown ? path : paths[0]!,
    rest: rest.join("/"),
    query: new URLSearchParams(query),
    ...(!isKnown && path !== "" && { unknown: path }),
  };
}

/** The address of a view. Commas and colons stay readable. */
export function linkTo(path: string, query: Record<string, string> | URLSearchParams = {}): string {
  const text = new URLSearchParams(query).toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  return text === "" ? `#/${path}` : `#/${path}?${text}`;
}

/** Puts `link` into the address bar without opening it, because the screen already shows its content. Presenter mode stays on. */
export function showLink(link: string): void {
  const isPresenting = new URLSearchParams(location.hash.split("?")[1]).get("present") === "1";
  const kept = isPresenting ? `${link}${link.includes("?") ? "&" : "?"}present=1` : link;
  if (location.hash !== kept) history.replaceState(null, "", kept);
}

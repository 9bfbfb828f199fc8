// Reads the address, writes it without a reload, and lists the views.
import type { Route, ViewModule } from "./view";

/** A tab in the head of the page, and its view. */
interface Entry {
  path: string;
  title: string;
  load: () => Promise<ViewModule>;
}

/** In the order of the tabs; an empty address leads to the first. Each view is a separate file, loaded on demand. */
export const VIEWS: readonly Entry[] = [
  { path: "lab", title: "Lab", load: () => import("./lab/lab") },
  { path: "pde", title: "Equations", load: () => import("./pde/pde") },
  { path: "lesson", title: "Lesson", load: () => import("./lesson/lesson") },
];

/** Parses `#/path/rest?query`. An unknown path leads to the first view. */
export function parseRoute(hash: string): Route {
  const [place = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [path = "", ...rest] = place.split("/");
  const known = VIEWS.some((view) => view.path === path) ? path : VIEWS[0]!.path;
  return { path: known, rest: rest.join("/"), query: new URLSearchParams(query) };
}

/** The address of a view. Commas and colons stay readable. */
export function linkTo(path: string, query: Record<string, string> | URLSearchParams = {}): string {
  const text = new URLSearchParams(query).toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  return text === "" ? `#/${path}` : `#/${path}?${text}`;
}

/** Puts `link` into the address bar without opening it, because the screen already shows its content. */
export function showLink(link: string): void {
  if (location.hash !== link) history.replaceState(null, "", link);
}

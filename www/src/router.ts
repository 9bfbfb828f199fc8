// The address: reading it, writing it without a reload, and the table of views.
import type { Route, ViewModule } from "./view";

/** A view in the head of the page. */
interface Entry {
  path: string;
  title: string;
  load: () => Promise<ViewModule>;
}

/** In the order of the tabs; the first is where an empty address leads. Each view is a file of its own, loaded when asked for. */
export const VIEWS: readonly Entry[] = [
  { path: "lab", title: "Lab", load: () => import("./lab/lab") },
  { path: "pde", title: "Equations", load: () => import("./pde/pde") },
  { path: "lesson", title: "Lesson", load: () => import("./lesson/lesson") },
];

/** Reads `#/path/rest?query`. An unknown path is the first view's. */
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

/** Shows `link` in the address bar without opening it: what is on screen is already what it says. */
export function showLink(link: string): void {
  if (location.hash !== link) history.replaceState(null, "", link);
}

// The shell: the head of the page and the view that the address names.
import "./style/index.css";
import { parseRoute } from "./address";
import { BACKEND_CHANGED, findBackend } from "./backend";
import { button, h } from "./dom";
import { failureNotice } from "./failure";
import { isLarge, onTheme, restoreTheme, theme, toggleSize, toggleTheme } from "./style/theme";
import type { View, ViewModule } from "./view";

/** A tab in the head of the page, and its view. */
interface Entry {
  path: string;
  title: string;
  load: () => Promise<ViewModule>;
}

/** In the order of the tabs; an empty address leads to the first. Each view is a separate file, loaded on demand. */
const VIEWS: readonly Entry[] = [
  { path: "home", title: "Home", load: () => import("./home/home") },
  { path: "lab", title: "Lab", load: () => import("./lab/lab") },
  { path: "pde", title: "Equations", load: () => import("./pde/pde") },
  { path: "lesson", title: "Lesson", load: () => import("./lesson/lesson") },
  { path: "certify", title: "Device", load: () => import("./certify/certify") },
];

const main = h("main", { id: "main", tabindex: -1 });
const tabs = VIEWS.map(({ path, title }) => h("a", { href: `#/${path}` }, title));
let shown: { path: string; view: View } | undefined;
/** Counts navigations: a view that loads slowly must not replace a later one. */
let latest = 0;

function head(): HTMLElement {
  const label = () => (theme() === "dark" ? "Light" : "Dark");
  const themeButton = button(label(), toggleTheme, { class: "quiet", title: "Light or dark" });
  onTheme(() => (themeButton.textContent = label()));
  const sizeButton = button("A+", () => {
    toggleSize();
    sizeButton.setAttribute("aria-pressed", String(isLarge()));
  }, { class: "quiet", title: "Larger type", "aria-label": "A+, larger type", "aria-pressed": String(isLarge()) });
  return h(
    "header",
    { class: "bar" },
    h("a", { class: "wordmark", href: `#/${VIEWS[0]!.path}`, "aria-label": "lastbit" }, "last", h("b", {}, "bit")),
    h("nav", { class: "tabs", "aria-label": "Views" }, ...tabs),
    h("div", { class: "bar-tools" }, sizeButton, themeButton),
  );
}

async function navigate(): Promise<void> {
  const route = parseRoute(location.hash, VIEWS.map(({ path }) => path));
  const request = ++latest;
  for (const [index, tab] of tabs.entries()) {
    if (VIEWS[index]!.path === route.path) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  if (shown?.path === route.path && shown.view.navigate !== undefined) {
    shown.view.navigate(route);
    return;
  }
  const entry = VIEWS.find(({ path }) => path === route.path)!;
  document.title = `${entry.title} – lastbit`;
  try {
    const module = await entry.load();
    if (request !== latest) return;
    leave();
    const view = await module.open(route);
    if (request !== latest) {
      view.close();
      return;
    }
    shown = { path: route.path, view };
    main.replaceChildren(view.element);
  } catch (error) {
    if (request !== latest) return;
    leave();
    main.replaceChildren(h("div", { class: "page" }, failureNotice(`“${entry.title}”`, error)));
  }
}

function leave(): void {
  shown?.view.close();
  shown = undefined;
}

restoreTheme();
// The browser looks for an adapter while the view loads.
void findBackend();
document.body.replaceChildren(
  h("a", { class: "skip", href: "#main", onclick: (event) => (event.preventDefault(), main.focus()) }, "Skip to content"),
  head(),
  main,
);
addEventListener("hashchange", () => void navigate());
addEventListener(BACKEND_CHANGED, () => {
  leave();
  void navigate();
});
void navigate();

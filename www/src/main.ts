// The shell: the head of the page and the view that the address names.
import "./style/index.css";
import { parseRoute } from "./address";
import { BACKEND_CHANGED, findBackend } from "./backend";
import { button, h } from "./dom";
import { failureNotice } from "./failure";
import { language, LANGUAGES, t, useLanguage, type Language } from "./language/language";
import { isPresenting, isSpeaker, PRESENT_CHANGED } from "./presenter/address";
import { hasShortcuts } from "./presenter/shortcuts";
import { isLarge, onTheme, restoreTheme, theme, toggleSize, toggleTheme } from "./style/theme";
import { forgetUnknown, readable, tellUnknown, unknownNote } from "./unknown";
import type { Route, View, ViewModule } from "./view";

/** A tab in the head of the page, and its view. */
interface Entry {
  path: string;
  title: string;
  load: () => Promise<ViewModule>;
}

/** In the order of the tabs; an empty address leads to the first. Each view is a separate file, loaded on demand. */
const VIEWS: readonly Entry[] = [
  { path: "home", title: t("Home"), load: () => import("./home/home") },
  { path: "lab", title: t("Lab"), load: () => import("./lab/lab") },
  { path: "pde", title: t("Equations"), load: () => import("./pde/pde") },
  { path: "lesson", title: t("Lesson"), load: () => import("./lesson/lesson") },
  { path: "certify", title: t("Device"), load: () => import("./certify/certify") },
];

/** The teacher's notes, which have a window of their own. */
const SPEAKER: Entry = { path: "speaker", title: t("Notes"), load: () => import("./presenter/speaker") };
/** Views in which the keys of presenter mode work. */
const PRESENTED = ["home", "lesson", "lab"];

const main = h("main", { id: "main", tabindex: -1 });
const tabs = VIEWS.map(({ path, title }) => h("a", { href: `#/${path}` }, title));
let shown: { path: string; view: View } | undefined;
/** Counts navigations: a view that loads slowly must not replace a later one. */
let latest = 0;
let presenter: typeof import("./presenter/presenter") | undefined;
const bar = head();

function head(): HTMLElement {
  const label = () => t(theme() === "dark" ? "Light" : "Dark");
  const themeButton = button(label(), toggleTheme, { class: "quiet", title: t("Light or dark") });
  onTheme(() => (themeButton.textContent = label()));
  const sizeButton = button("A+", () => {
    toggleSize();
    sizeButton.setAttribute("aria-pressed", String(isLarge()));
  }, { class: "quiet", title: t("Larger type"), "aria-label": t("A+, larger type"), "aria-pressed": String(isLarge()) });
  return h(
    "header",
    { class: "bar" },
    h("a", { class: "wordmark", href: `#/${VIEWS[0]!.path}`, "aria-label": "lastbit" }, "last", h("b", {}, "bit")),
    h("nav", { class: "tabs", "aria-label": t("Views") }, ...tabs),
    h("div", { class: "bar-tools" }, languageChoice(), sizeButton, themeButton),
  );
}

/** The choice of a language. Every language is called by its own name. */
function languageChoice(): HTMLElement {
  const options = Object.entries(LANGUAGES).map(([tag, name]) =>
    h("option", { value: tag, lang: tag, selected: tag === language, "aria-label": `${tag.toUpperCase()}, ${name}`, title: name }, tag.toUpperCase()),
  );
  const onchange = ({ target }: Event): void => useLanguage((target as HTMLSelectElement).value as Language);
  return h("select", { class: "quiet", "aria-label": t("Language"), title: t("Language"), "data-testid": "language", onchange }, ...options);
}

const currentRoute = (): Route => parseRoute(location.hash, VIEWS.map(({ path }) => path));

/** Enters or leaves presenter mode, as the address says. */
async function showPresenter(): Promise<void> {
  const { path, query } = currentRoute();
  const isOn = isPresenting(query) && PRESENTED.includes(path);
  bar.hidden = isOn || isSpeaker(query);
  if (!isOn) return presenter?.endPresenting();
  presenter ??= await import("./presenter/presenter");
  // It may have been left while its code loaded.
  if (isPresenting(currentRoute().query)) presenter.present();
}

async function navigate(): Promise<void> {
  const route = currentRoute();
  const request = ++latest;
  const entry = isSpeaker(route.query) && PRESENTED.includes(route.path) ? SPEAKER : VIEWS.find(({ path }) => path === route.path)!;
  for (const [index, tab] of tabs.entries()) {
    if (VIEWS[index]!.path === route.path) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  document.title = `${entry.title} – lastbit`;
  forgetUnknown();
  if (route.unknown !== undefined) tellUnknown(t("There is no view “{name}”.", { name: readable(route.unknown) }));
  try {
    await showPresenter();
    if (request !== latest) return;
    // A view has no use for it, and the lab would call it an unknown setting.
    route.query.delete("present");
    if (shown?.path === entry.path && shown.view.navigate !== undefined) {
      shown.view.navigate(route);
      return;
    }
    const module = await entry.load();
    if (request !== latest) return;
    leave();
    const view = await module.open(route);
    if (request !== latest) {
      view.close();
      return;
    }
    shown = { path: entry.path, view };
    main.replaceChildren(...unknownNote(), view.element);
  } catch (error) {
    if (request !== latest) return;
    leave();
    main.replaceChildren(h("div", { class: "page" }, failureNotice(t("“{title}”", { title: entry.title }), error)));
  }
}

function leave(): void {
  shown?.view.close();
  shown = undefined;
}

/** Shows the page: its head, and the view that the address names. */
function openPage(): void {
  document.body.replaceChildren(
    h("a", { class: "skip", href: "#main", onclick: (event) => (event.preventDefault(), main.focus()) }, t("Skip to content")),
    bar,
    main,
  );
  addEventListener("hashchange", () => void navigate());
  addEventListener(BACKEND_CHANGED, () => {
    leave();
    void navigate();
  });
  const fail = (error: unknown): void => main.prepend(h("div", { class: "page" }, failureNotice(t("Presenter mode"), error)));
  addEventListener(PRESENT_CHANGED, () => void showPresenter().catch(fail));
  // Few visitors present: the code of the keys loads with the first of them, and with the lesson.
  addEventListener("keydown", (event) => {
    const { path, query } = currentRoute();
    // Asked now, because the choice can change while the code loads.
    if (!/^[pn]$/i.test(event.key) || !hasShortcuts() || isSpeaker(query) || !PRESENTED.includes(path)) return;
    import("./presenter/controls").then(({ onShortcut }) => onShortcut(event)).catch(fail);
  });
  void navigate();
}

/** Shows one figure alone, for a frame in another page. */
async function openFigureAlone(name: string): Promise<void> {
  document.body.replaceChildren(main);
  try {
    const { openFigure } = await import("./embed/embed");
    await openFigure(main, name);
  } catch (error) {
    main.replaceChildren(h("div", { class: "page" }, failureNotice(t("The figure"), error)));
  }
}

document.documentElement.lang = language;
restoreTheme();
// The browser looks for an adapter while the view loads.
void findBackend();
const figure = new URLSearchParams(location.search).get("figure");
if (figure === null) openPage();
else void openFigureAlone(figure);

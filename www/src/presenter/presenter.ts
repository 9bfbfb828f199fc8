// Presenter mode: a view fills a projector in large type, without the head of the page. Keys turn to the next chapter, and a
// window with the teacher's notes follows. `?present=1` in the address is its only state.
import { button, h, setText } from "../dom";
import { t } from "../language/language";
import "../style/presenter.css";
import { changed } from "../style/theme";
import { withPresent } from "./address";
import { openNotes, setPresenting } from "./controls";
import { actionOf } from "./keys";
import { neighbour, pathOfLink, place } from "./places";
import { Sync } from "./sync";
import { goTo, here, turn } from "./turn";

let mode: Presenter | undefined;

/** Presents the place that the address names. Called by the shell after each change of the address. */
export function present(): void {
  mode ??= new Presenter();
  mode.arrive();
}

/** Ends presenter mode, if it is on. */
export function endPresenting(): void {
  mode?.close();
  mode = undefined;
}

class Presenter {
  private readonly listeners = new AbortController();
  private readonly sync = new Sync("talk", { onPlace: (path) => goTo("talk", path) });
  private readonly back = button(t("← Previous"), () => turn("talk", -1), { class: "quiet", "data-testid": "previous" });
  private readonly on = button(t("Next →"), () => turn("talk", 1), { class: "quiet", "data-testid": "next" });
  private readonly title = h("span", { "data-testid": "place" });
  private readonly bar = h(
    "nav",
    { class: "present-bar", "aria-label": t("Presenter mode") },
    this.back,
    this.on,
    this.title,
    h("span", { class: "spacer" }),
    button(t("Notes"), openNotes, { class: "quiet", title: t("In a second window (key n)"), "data-testid": "bar-notes" }),
    button(t("Leave"), () => setPresenting(false), { class: "quiet", title: t("Key Escape"), "data-testid": "leave" }),
  );

  constructor() {
    const { signal } = this.listeners;
    document.documentElement.dataset["present"] = "";
    document.body.append(this.bar);
    addEventListener("keydown", (event) => this.onKey(event), { signal });
    // Links within the talk stay in presenter mode.
    addEventListener("click", (event) => this.onClick(event), { signal, capture: true });
    // Type follows the window here, and canvases have to.
    addEventListener("resize", changed, { signal });
    addEventListener("pagehide", () => this.sync.away(), { signal });
    addEventListener("pageshow", () => this.sync.tell(), { signal });
    changed();
  }

  arrive(): void {
    const path = here();
    setText(this.title, place(path).title);
    for (const [arrow, by] of [[this.back, -1], [this.on, 1]] as const) arrow.disabled = neighbour(path, by) === undefined;
    this.sync.arrive(path);
  }

  close(): void {
    this.listeners.abort();
    this.sync.close();
    this.bar.remove();
    delete document.documentElement.dataset["present"];
    changed();
  }

  private onKey(event: KeyboardEvent): void {
    const action = actionOf(event);
    if (action === "next") turn("talk", 1);
    else if (action === "previous") turn("talk", -1);
    else if (action === "leave") setPresenting(false);
    else return;
    event.preventDefault();
  }

  private onClick(event: MouseEvent): void {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest<HTMLAnchorElement>('a[href^="#/"]')?.getAttribute("href");
    if (link == null || pathOfLink(link) === undefined) return;
    event.preventDefault();
    location.hash = withPresent(link, true);
  }
}

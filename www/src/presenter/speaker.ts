// The teacher's window: notes and questions of the current chapter in large type, what comes next, a clock, and buttons that move the
// talk in the other window. `#/lesson/3?speaker=1`.
import { linkTo } from "../address";
import { button, h, setText } from "../dom";
import { failureNotice } from "../failure";
import { t, tNodes } from "../language/language";
import { rich } from "../lesson/chapter";
import "../style/speaker.css";
import type { View } from "../view";
import { Clock } from "./clock";
import { actionOf } from "./keys";
import { neighbour, place, PLACES } from "./places";
import { Sync } from "./sync";
import { goTo, here, turn } from "./turn";

/** Milliseconds in which a window that shows the talk has answered. */
const ANSWER_MS = 1500;

/** Opens the notes on the place that the address names. */
export function open(): View {
  return new Speaker();
}

class Speaker implements View {
  private readonly where = h("p", { class: "eyebrow", "data-testid": "speaker-where" });
  private readonly title = h("h1", { "data-testid": "speaker-title" });
  private readonly notes = h("div", { class: "speaker-notes", "data-testid": "speaker-notes" });
  private readonly next = h("p", { class: "speaker-next", "data-testid": "speaker-next" });
  private readonly talk = h("a", { target: "_blank", "data-testid": "open-talk" }, t("Open it"));
  private readonly alone = h("p", { class: "notice warn", role: "status", "data-testid": "alone", hidden: true }, ...tNodes("No window shows the talk. {link}, or press p in the window with the lesson.", { link: this.talk }));
  private readonly back = button(t("← Previous"), () => turn("notes", -1), { "data-testid": "previous" });
  private readonly on = button(t("Next →"), () => turn("notes", 1), { class: "primary", "data-testid": "next" });
  private readonly clock = new Clock();
  private readonly listeners = new AbortController();
  private talks = 0;
  private readonly sync = new Sync("notes", {
    onPlace: (path) => goTo("notes", path),
    onTalks: (count) => {
      this.talks = count;
      this.alone.hidden = count > 0;
    },
  });
  private readonly answer = setTimeout(() => (this.alone.hidden = this.talks > 0), ANSWER_MS);
  readonly element = h(
    "div",
    { class: "page speaker" },
    h("div", { class: "speaker-head" }, this.back, this.on, h("span", { class: "spacer" }), this.clock.element),
    this.alone,
    this.where,
    this.title,
    this.next,
    this.notes,
  );
  /** The place that is shown, or being loaded. */
  private shown = "";

  constructor() {
    addEventListener("keydown", (event) => this.onKey(event), { signal: this.listeners.signal });
    this.navigate();
  }

  navigate(): void {
    const path = here();
    this.sync.arrive(path);
    if (path !== this.shown) void this.show(path);
  }

  close(): void {
    clearTimeout(this.answer);
    this.listeners.abort();
    this.clock.close();
    this.sync.close();
  }

  private async show(path: string): Promise<void> {
    this.shown = path;
    const { title, load } = place(path);
    const number = PLACES.indexOf(place(path));
    const isChapter = path.startsWith("lesson/");
    setText(this.where, isChapter ? t("Chapter {number} of {count}", { number, count: PLACES.length - 2 }) : t(number === 0 ? "Before the lesson" : "After the lesson"));
    setText(this.title, title);
    const after = neighbour(path, 1);
    setText(this.next, after === undefined ? t("This is the end.") : t("Next: {title}", { title: after.title }));
    this.back.disabled = neighbour(path, -1) === undefined;
    this.on.disabled = after === undefined;
    this.talk.href = linkTo(path, { present: "1" });
    const loaded = await load().catch((error: unknown) => failureNotice(t("The notes on “{title}”", { title }), error));
    // Another place may have been asked for meanwhile.
    if (this.shown !== path) return;
    if (loaded instanceof HTMLElement) return this.notes.replaceChildren(loaded);
    this.notes.replaceChildren(
      h("ul", {}, ...loaded.notes.map((note) => h("li", {}, ...rich(note)))),
      h("h2", {}, t("Questions to ask")),
      h("dl", {}, ...loaded.questions.flatMap(([question, answer]) => [h("dt", {}, ...rich(question)), h("dd", {}, ...rich(answer))])),
    );
    scrollTo({ top: 0 });
  }

  private onKey(event: KeyboardEvent): void {
    const action = actionOf(event);
    if (action !== "next" && action !== "previous") return;
    event.preventDefault();
    turn("notes", action === "next" ? 1 : -1);
  }
}

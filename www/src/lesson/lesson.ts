// The lesson: seven short chapters around the live parts of the lab. `#/lesson/3` is a chapter; `?notes=1` shows the teacher's
// notes beside it.
import { linkTo } from "../address";
import { BACKEND_CHANGED } from "../backend";
import { button, h } from "../dom";
import { failureNotice } from "../failure";
import { language, t, type Language } from "../language/language";
import { presenterButtons } from "../presenter/controls";
import "../style/lesson.css";
import { readable, tellUnknown } from "../unknown";
import type { Route, View } from "../view";
import { type BetPart, betQuestion, betTable, sightPanel } from "./bet_view";
import { BetBook } from "./bets";
import { type Chapter, type ChapterCode, type ChapterText, type Exhibit, rich } from "./chapter";
import { KeptExhibits } from "./kept";

/** The words of a chapter, by language. */
type Words = Record<Language, () => Promise<{ text: ChapterText }>>;

/** In order. Each chapter is a file of code and a file of words, loaded when it is opened: the words in the page's language only. */
export const CHAPTERS: readonly { title: string; load: () => Promise<Chapter> }[] = [
  { title: t("A number is 32 bits"), load: () => chapterOf(import("./chapter1"), { en: () => import("./en/chapter1"), de: () => import("./de/chapter1") }) },
  { title: t("Divide and multiply by three"), load: () => chapterOf(import("./chapter2"), { en: () => import("./en/chapter2"), de: () => import("./de/chapter2") }) },
  { title: t("Three copies and their last bits"), load: () => chapterOf(import("./chapter3"), { en: () => import("./en/chapter3"), de: () => import("./de/chapter3") }) },
  { title: t("A step that is too long"), load: () => chapterOf(import("./chapter4"), { en: () => import("./en/chapter4"), de: () => import("./de/chapter4") }) },
  { title: t("Unstable, but restrained"), load: () => chapterOf(import("./chapter5"), { en: () => import("./en/chapter5"), de: () => import("./de/chapter5") }) },
  { title: t("Sharpness against 2 / learning rate"), load: () => chapterOf(import("./chapter6"), { en: () => import("./en/chapter6"), de: () => import("./de/chapter6") }) },
  { title: t("Choose the learning rate"), load: () => chapterOf(import("./chapter7"), { en: () => import("./en/chapter7"), de: () => import("./de/chapter7") }) },
];

/** A chapter of its code and its words. */
async function chapterOf(code: Promise<ChapterCode>, words: Words): Promise<Chapter> {
  const [{ exhibit }, { text }] = await Promise.all([code, words[language]()]);
  return { ...text, exhibit };
}

/** What helps where a chapter does not load. */
const REMEDY = "Reload the page, or choose another chapter.";
/** The bets last as long as the page, or longer where the browser stores them. */
const book = new BetBook();

/** The runs of three chapters wait while the reader is elsewhere, in the lab too. */
const kept = new KeptExhibits(3);
// Their workers compute with the backend of before.
addEventListener(BACKEND_CHANGED, () => kept.clear());

/** Opens the lesson at the chapter that the address names. */
export async function open(route: Route): Promise<View> {
  const element = h("div", { class: "page lesson" });
  let exhibit: Exhibit | undefined;
  let parts: BetPart[] = [];
  /** Whether the live part on screen is from before the bets were cleared. */
  let isStale = false;
  let shown = 0;
  /** Counts requested chapters: one that loads slowly must not replace a later one. */
  let latest = 0;

  async function show(at: Route): Promise<void> {
    const number = chapterNumber(at);
    const notes = at.query.get("notes") === "1";
    if (at.rest !== "" && Number.parseInt(at.rest, 10) !== number) tellUnknown(t("There is no chapter “{name}”.", { name: readable(at.rest) }));
    if (number === shown) {
      showNotes(element, number, notes);
      return;
    }
    const request = ++latest;
    const loaded = await CHAPTERS[number - 1]!.load().catch((error: unknown) => failureNotice(t("Chapter {number}", { number }), error, t(REMEDY)));
    if (request !== latest) return;
    leave();
    const isFirst = shown === 0;
    if (loaded instanceof HTMLElement) {
      shown = 0;
      element.replaceChildren(contents(number, notes), loaded);
      return;
    }
    const chapter: Chapter = loaded;
    shown = number;
    const question = betQuestion(book, number);
    const sight = sightPanel(book, number, chapter.sight);
    const table = number === CHAPTERS.length ? betTable(book, CHAPTERS.map(({ title }) => title), clearBets) : undefined;
    parts = [question, sight, ...(table === undefined ? [] : [table])];
    const stage = h("div", { class: "stage", "data-testid": `chapter-${number}` });
    element.replaceChildren(
      contents(number, notes),
      h(
        "article",
        { class: "chapter" },
        h(
          "div",
          { class: "reading" },
          h("p", { class: "eyebrow" }, t("Chapter {number} of {count}", { number, count: CHAPTERS.length })),
          h("h1", { tabindex: -1 }, chapter.title),
          ...chapter.text.map((text, index) => h("p", index === 0 ? { class: "lead" } : {}, ...rich(text))),
          question.element,
          h("section", { class: "task" }, h("h2", {}, t("Do")), h("p", {}, ...rich(chapter.task))),
        ),
        stage,
        sight.element,
      ),
      table?.element ?? "",
      teacher(chapter),
      pager(number, notes),
    );
    showNotes(element, number, notes);
    if (!isFirst) {
      scrollTo({ top: 0 });
      element.querySelector("h1")?.focus({ preventScroll: true });
    }
    try {
      const made = kept.take(number) ?? (await chapter.exhibit(once(() => book.reveal(number, "seen"))));
      if (request !== latest) {
        made.close();
        return;
      }
      exhibit = made;
      stage.append(made.element);
    } catch (error) {
      stage.append(failureNotice(t("The live part of this chapter"), error, t(REMEDY)));
    }
  }

  /** Keeps the live part of the chapter on screen, or closes it. */
  function leave(): void {
    if (isStale) exhibit?.close();
    else if (exhibit !== undefined) kept.put(shown, exhibit);
    exhibit = undefined;
    isStale = false;
    for (const part of parts) part.close();
    parts = [];
  }

  /** Forgets the bets and the runs, so that the lesson can be given again. What is on screen stays until it is left. */
  function clearBets(): void {
    kept.clear();
    isStale = true;
    book.clear();
  }

  await show(route);
  return {
    element,
    navigate: (next) => void show(next),
    close: () => {
      latest++;
      leave();
    },
  };
}

/** A function that calls `action` the first time only: a live part says again and again that its thing is on screen. */
function once(action: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) action();
    isDone = true;
  };
}

function chapterNumber({ rest }: Route): number {
  const number = Number.parseInt(rest, 10);
  return number >= 1 && number <= CHAPTERS.length ? number : 1;
}

function link(number: number, notes: boolean): string {
  return linkTo(`lesson/${number}`, notes ? { notes: "1" } : {});
}

function contents(current: number, notes: boolean): HTMLElement {
  const items = CHAPTERS.map(({ title }, index) => {
    const number = index + 1;
    const mark = number === current ? { "aria-current": "step" } : {};
    const words = h("span", { class: "name" }, title);
    return h("li", {}, h("a", { href: link(number, notes), title, ...mark }, h("span", { class: "number" }, number), words));
  });
  const toggle = button(t("Teacher’s notes"), () => {
    location.hash = link(current, toggle.getAttribute("aria-pressed") !== "true");
  }, { class: "notes-toggle", "data-testid": "notes" });
  return h("div", { class: "contents" }, h("nav", { "aria-label": t("Chapters") }, h("ol", {}, ...items)), ...presenterButtons(), toggle);
}

function teacher({ teacher: { notes, questions } }: Chapter): HTMLElement {
  return h(
    "section",
    { class: "panel teacher", "aria-label": t("Teacher’s notes"), "data-testid": "teacher", hidden: true },
    h("h2", {}, t("For the teacher")),
    h("p", {}, t("Take a vote on the bet before the live part starts, and click the answer that most hands go up for. A table after chapter 7 compares the seven votes with what was seen; “Clear my bets” below it prepares the next class.")),
    h("ul", {}, ...notes.map((note) => h("li", {}, ...rich(note)))),
    h("h3", {}, t("Questions to ask")),
    ...questions.map(([question, answer]) =>
      h("details", {}, h("summary", {}, ...rich(question)), h("p", {}, ...rich(answer))),
    ),
  );
}

/** Shows or hides the notes; the links of the chapter keep the choice. */
function showNotes(element: HTMLElement, number: number, notes: boolean): void {
  element.classList.toggle("with-notes", notes);
  element.querySelector<HTMLElement>(".teacher")!.hidden = !notes;
  element.querySelector(".notes-toggle")!.setAttribute("aria-pressed", String(notes));
  for (const [index, anchor] of element.querySelectorAll<HTMLAnchorElement>(".contents a").entries()) {
    anchor.href = link(index + 1, notes);
  }
  element.querySelector(".pager")!.replaceWith(pager(number, notes));
}

function pager(number: number, notes: boolean): HTMLElement {
  const before = number > 1 ? h("a", { href: link(number - 1, notes), class: "button" }, `← ${CHAPTERS[number - 2]!.title}`) : null;
  const after =
    number < CHAPTERS.length
      ? h("a", { href: link(number + 1, notes), class: "button primary" }, `${CHAPTERS[number]!.title} →`)
      : h("a", { href: linkTo("lab"), class: "button primary" }, t("To the lab →"));
  return h("nav", { class: "pager", "aria-label": t("Next and previous") }, before, h("span", { class: "spacer" }), after);
}

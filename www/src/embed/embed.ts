// One live figure that fills its frame, to be embedded in the page of somebody else: `?figure=parting`. Below it are a button and a
// link to the page, and nothing more.
import { findBackend } from "../backend";
import { button, h, setText } from "../dom";
import { backendWord } from "../lab/device";
import { t, tNodes } from "../language/language";
import "../style/embed.css";
import { inLanguageOf, settingsOf } from "./address";
import { figureEntry, unknownFigure } from "./figures";
import type { LoneFigure } from "./figure";

/** Shows the figure called `name` in `main`, with the settings of the address. */
export async function openFigure(main: HTMLElement, name: string): Promise<void> {
  const entry = figureEntry(name);
  if (entry === undefined) {
    const heading = h("h1", { class: "hidden" }, "lastbit");
    main.replaceChildren(h("div", { class: "embed" }, heading, h("p", { class: "notice error", role: "alert", "data-testid": "error" }, unknownFigure(name)), foot("./")));
    return;
  }
  document.title = `${entry.title} – lastbit`;
  const found = await findBackend();
  const play = button(t("Play"), () => (figure.running() ? figure.pause() : figure.play()), { class: "primary", "data-testid": "play" });
  const step = h("output", { "data-testid": "step" }, "0");
  const error = h("p", { class: "notice error", role: "alert", "data-testid": "error", hidden: true });
  const figure: LoneFigure = entry.make(settingsOf(location.search), found, () => show());

  function show(): void {
    setText(step, String(figure.step()));
    setText(play, t(figure.running() ? "Pause" : figure.finished() ? "Again" : "Play"));
    const failed = figure.error();
    error.hidden = failed === undefined;
    setText(error, failed ?? "");
  }

  const problems = figure.problems.length === 0 ? undefined : h("p", { class: "notice warn", "data-testid": "problems" }, t("Note: {problems}.", { problems: figure.problems.join("; ") }));
  const alone = h("div", { class: "lone-figure" }, figure.element);
  main.replaceChildren(
    h("div", { class: "embed" }, h("h1", { class: "hidden" }, entry.title), h("div", {}, error, problems), alone, foot(figure.page, play, h("span", {}, ...tNodes("step {step}", { step })), backendWord(found.backend))),
  );
  whenSeen(alone, () => figure.play());
}

/** The line below the figure. */
function foot(page: string, ...before: HTMLElement[]): HTMLElement {
  const link = h("a", { class: "wordmark", href: inLanguageOf(location.search, page), target: "_top", title: t("Open the page of lastbit"), "data-testid": "page" }, "last", h("b", {}, "bit"));
  link.setAttribute("aria-label", "lastbit");
  return h("div", { class: "embed-foot" }, ...before, h("span", { class: "spacer" }), link);
}

/** Calls `action` once `element` is on screen, so that a page with many figures trains those that somebody sees. */
function whenSeen(element: HTMLElement, action: () => void): void {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    observer.disconnect();
    action();
  });
  observer.observe(element);
}

// The bet of a chapter on screen: the question, what to see behind a cover, and the table of all bets at the end.
import { button, h, setText } from "../dom";
import { t, tNodes } from "../language/language";
import { BETS, type BetBook, resultText } from "./bets";
import { rich } from "./chapter";
import { Cover } from "./cover";

/** A part of a chapter that follows the bets until it is closed. */
export interface BetPart {
  element: HTMLElement;
  close(): void;
}

/** The question of a chapter. */
export function betQuestion(book: BetBook, chapter: number): BetPart {
  const { question, choices, outcome } = BETS[chapter - 1]!;
  const radios = choices.map((_, index) => {
    const radio = h("input", { type: "radio", name: "bet", value: index, "data-testid": `bet-${index}` });
    radio.addEventListener("change", () => book.bet(chapter, index));
    return radio;
  });
  const labels = choices.map((choice, index) => h("label", {}, radios[index], h("span", {}, choice)));
  const hint = h("p", { class: "note" });
  const show = (): void => {
    const { choice, revealed } = book.of(chapter);
    setText(hint, revealed === undefined ? t("You can change your bet until “See” opens, or skip it.") : t("“See” is open, and the bet is over."));
    radios.forEach((radio, index) => {
      radio.checked = index === choice;
      radio.disabled = revealed !== undefined;
      labels[index]!.classList.toggle("was", revealed !== undefined && index === outcome);
    });
  };
  show();
  const fieldset = h("fieldset", { class: "choices", "data-testid": "bet" }, h("legend", {}, question), ...labels);
  return { element: h("section", { class: "bet" }, h("h2", {}, t("Bet")), fieldset, hint), close: book.onChange(show) };
}

/** What to see, covered until the chapter is revealed, with the result of the bet. */
export function sightPanel(book: BetBook, chapter: number, sight: string): BetPart {
  const tick = h("span", { class: "tick", "data-testid": "seen", hidden: true }, t("✓ seen"));
  const result = h("p", { class: "result", "data-testid": "bet-result" });
  const content = h("div", { class: "uncovered", tabindex: -1, "data-testid": "sight" }, h("p", {}, ...rich(sight)), result);
  const open = button(t("Show what to see"), () => {
    book.reveal(chapter, "opened");
    // The button is gone; the keyboard continues from what it opened.
    content.focus({ preventScroll: true });
  }, { "data-testid": "show-sight" });
  const lid = h("div", {}, h("p", { class: "soft" }, t("This opens by itself when the live part has shown it.")), open);
  const cover = new Cover(lid, content);
  const status = h("p", { class: "hidden", role: "status", "data-testid": "bet-status" });
  const element = h("section", { class: "sight" }, h("h2", {}, ...tNodes("See {tick}", { tick })), cover.element, status);
  let before = book.of(chapter).revealed;
  const show = (): void => {
    const wager = book.of(chapter);
    const text = resultText(BETS[chapter - 1]!, wager);
    cover.set(wager.revealed !== undefined);
    tick.hidden = wager.revealed !== "seen";
    element.classList.toggle("is-seen", wager.revealed === "seen");
    setText(result, text);
    // What was opened by hand has the focus, and is read out already.
    if (wager.revealed === "seen" && before === undefined) setText(status, t("“See” is open. {result}", { result: text }));
    if (wager.revealed === undefined) setText(status, "");
    before = wager.revealed;
  };
  show();
  return { element, close: book.onChange(show) };
}

/** The table of all bets. `clear` forgets them. */
export function betTable(book: BetBook, titles: readonly string[], clear: () => void): BetPart {
  const rows = BETS.map(({ choices, outcome }, index) => {
    const bet = h("td", { "data-testid": `betted-${index + 1}` });
    const cover = new Cover(h("span", { class: "soft" }, t("not seen yet")), h("span", {}, choices[outcome]));
    const row = h("tr", {}, h("th", { scope: "row" }, titles[index]), bet, h("td", { "data-testid": `was-${index + 1}` }, cover.element));
    return { row, show: () => {
      const { choice, revealed } = book.of(index + 1);
      setText(bet, choice === undefined ? "–" : choices[choice]!);
      cover.set(revealed !== undefined);
      row.classList.toggle("hit", revealed !== undefined && choice === outcome);
    } };
  });
  const score = h("p", { class: "note", "data-testid": "bet-score", role: "status" });
  const show = (): void => {
    for (const row of rows) row.show();
    const open = BETS.filter((_, index) => book.of(index + 1).revealed !== undefined && book.of(index + 1).choice !== undefined);
    const right = open.filter((bet) => book.of(BETS.indexOf(bet) + 1).choice === bet.outcome);
    setText(score, t("Right: {right} of {open} bets that are over.", { right: right.length, open: open.length }));
  };
  show();
  const head = [t("chapter"), t("your bet"), t("what it was")].map((title) => h("th", { scope: "col" }, title));
  const element = h(
    "section",
    { class: "panel bets", "data-testid": "bets" },
    h("h2", {}, t("Your seven bets")),
    h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows.map(({ row }) => row)))),
    score,
    h("div", { class: "toolbar" }, button(t("Clear my bets"), clear, { "data-testid": "clear-bets" })),
  );
  return { element, close: book.onChange(show) };
}

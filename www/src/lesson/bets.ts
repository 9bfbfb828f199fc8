// The bets of the lesson: a question before each chapter's live part, and what the reader answered. A bet may change until its
// chapter is revealed. Bets are kept from visit to visit, as far as the browser allows it.
import { t } from "../language/language";
import { store, stored } from "../stored";

/** The question of a chapter. */
export interface Bet {
  question: string;
  /** Three or four answers, without a full stop. */
  choices: readonly string[];
  /** Index of the answer that the live part shows. */
  outcome: number;
}

/** In the order of the chapters. They are here together because the table at the end shows all of them. */
export const BETS: readonly Bet[] = [
  {
    question: t("Flip the last bit of 0.1. By how much of itself does the number change?"),
    choices: [t("One part in a thousand"), t("One part in some ten million"), t("One part in a billion billion")],
    outcome: 1,
  },
  {
    question: t("Divide 100,000 numbers by three, then multiply them by three. How many do not come back?"),
    choices: [t("None"), t("About one in a thousand"), t("About one in seven"), t("Nearly all")],
    outcome: 2,
  },
  {
    question: t("k = 3 begins a billionth away from k = 1. Where is it after 40 steps?"),
    choices: [t("Together with k = 1: the errors cancel"), t("Still about a billionth away"), t("More than a hundredth away"), t("Broken: it does not learn")],
    outcome: 2,
  },
  {
    question: t("The edge is at dt = 0.501. What becomes of the tiny zigzag at dt = 0.55?"),
    choices: [t("It dies out, only later"), t("It stays as tiny as it is"), t("It grows, then levels off"), t("It grows by the same factor every step, without end")],
    outcome: 3,
  },
  {
    question: t("The network settles up to dt = 0.032. What does its loss do at dt = 0.07?"),
    choices: [t("It settles, only later"), t("It hops between two values"), t("It wanders without end, but stays bounded"), t("It blows up, as the zigzag did")],
    outcome: 2,
  },
  {
    question: t("At learning rate 0.05 a sharpness above 40 is unstable. The network begins at 13. Where does training take its sharpness?"),
    choices: [t("Down: training finds flat places"), t("It stays at about 13"), t("Up to about 40, where it stays"), t("Up without end")],
    outcome: 2,
  },
  {
    question: t("The learning rate falls from 1.6 to 0.1, to a sixteenth. How far apart are k = 3 and k = 1 after 100 steps then?"),
    choices: [t("As far as before"), t("About 16 times less"), t("More than a thousand times less"), t("Not at all: they are equal")],
    outcome: 2,
  },
];

/** What the reader did with one bet. */
export interface Wager {
  /** The chosen answer; `undefined` without a bet. */
  choice: number | undefined;
  /** How the answer was revealed: the reader has seen it in the live part, or has opened it by hand. */
  revealed: "seen" | "opened" | undefined;
}

const NONE: Wager = { choice: undefined, revealed: undefined };

/** The bets that `text` holds: one for each of {@link BETS}, without those that cannot be read. */
export function parseWagers(text: string | null): Wager[] {
  let found: unknown;
  try {
    found = JSON.parse(text ?? "[]");
  } catch {
    found = [];
  }
  const list: unknown[] = Array.isArray(found) ? found : [];
  return BETS.map(({ choices }, index) => {
    const one = list[index];
    if (typeof one !== "object" || one === null) return NONE;
    const { choice, revealed } = one as Record<string, unknown>;
    return {
      choice: typeof choice === "number" && choices[choice] !== undefined ? choice : undefined,
      revealed: revealed === "seen" || revealed === "opened" ? revealed : undefined,
    };
  });
}

/** How a bet compares with what was seen. */
export function resultText({ choices, outcome }: Bet, { choice }: Wager): string {
  const was = choices[outcome]!;
  if (choice === undefined) return t("You did not bet. It was: {was}.", { was });
  return choice === outcome ? t("You bet: {was}. So it was.", { was }) : t("You bet: {bet}. It was: {was}.", { bet: choices[choice]!, was });
}

/** Bets are kept by the number of their chapter, so another list of chapters has another key. */
const KEY = "bets-7";

/** The bets of this reader. Chapters are numbered from 1. */
export class BetBook {
  private wagers = parseWagers(stored(KEY));
  private readonly listeners = new Set<() => void>();

  of(chapter: number): Wager {
    return this.wagers[chapter - 1] ?? NONE;
  }

  /** Bets on an answer; has no effect once the answer is revealed. */
  bet(chapter: number, choice: number): void {
    if (this.of(chapter).revealed === undefined) this.change(chapter, { choice });
  }

  /** Reveals the answer. What has been seen stays seen. */
  reveal(chapter: number, revealed: "seen" | "opened"): void {
    const before = this.of(chapter).revealed;
    if (before !== revealed && before !== "seen") this.change(chapter, { revealed });
  }

  /** Forgets all bets, and what was revealed. */
  clear(): void {
    this.wagers = BETS.map(() => NONE);
    this.changed();
  }

  /** Calls `listener` after each change. Returns a function that removes it. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private change(chapter: number, change: Partial<Wager>): void {
    this.wagers[chapter - 1] = { ...this.of(chapter), ...change };
    this.changed();
  }

  private changed(): void {
    store(KEY, JSON.stringify(this.wagers));
    for (const listener of [...this.listeners]) listener();
  }
}

// What a chapter of the lesson is: a few lines to read, one thing to do, one thing to see, and the live part that both are
// about. The text is here as text; `rich` makes elements of it.
import { type Child, h } from "../dom";

/** What the lesson gives a chapter's live part. */
export interface Stage {
  /** The thing to see has been seen. */
  seen(): void;
}

/** The live part of a chapter. */
export interface Exhibit {
  element: HTMLElement;
  /** Ends workers and listeners. */
  close(): void;
}

/** A chapter. Text may hold *emphasis*, `code` and _variables_. */
export interface Chapter {
  title: string;
  /** Paragraphs; the first is set larger. */
  text: string[];
  /** The one thing to do. */
  task: string;
  /** The one thing to see. */
  sight: string;
  /** For the teacher: how to put it, then questions with answers. */
  teacher: { notes: string[]; questions: [question: string, answer: string][] };
  /** Makes the live part. */
  exhibit(stage: Stage): Exhibit | Promise<Exhibit>;
}

const MARKS = { "*": "em", "`": "code", _: "var" } as const;

/** Text with marks as nodes. A mark counts at the edge of a word only, so that `max_ulp` needs none. */
export function rich(text: string): Child[] {
  const parts = text.split(/(?<![\w*`])([*`_])(?=\S)(.+?)(?<=\S)\1(?![\w*`])/g);
  const nodes: Child[] = [];
  for (let i = 0; i < parts.length; i += 3) {
    nodes.push(parts[i]!);
    const mark = parts[i + 1];
    if (mark !== undefined) nodes.push(h(MARKS[mark as keyof typeof MARKS], {}, parts[i + 2]!));
  }
  return nodes;
}

// A chapter of the lesson: a few lines to read, one thing to do, one thing to see, and the live part that both are about. A
// chapter holds text with marks; `rich` turns it into elements.
import { type Child, h } from "../dom";

/** What the lesson passes to a chapter's live part. */
export interface Stage {
  /** Reports that the thing to see has been on screen. */
  seen(): void;
}

/** The live part of a chapter. */
export interface Exhibit {
  element: HTMLElement;
  /** Terminates workers and removes listeners. */
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
  /** For the teacher: notes on how to present it, then questions with answers. */
  teacher: { notes: string[]; questions: [question: string, answer: string][] };
  /** Creates the live part. */
  exhibit(stage: Stage): Exhibit | Promise<Exhibit>;
}

const MARKS = { "*": "em", "`": "code", _: "var" } as const;

/** Turns text with marks into nodes. A mark counts only at the edge of a word, so that `max_ulp` needs no escape. */
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

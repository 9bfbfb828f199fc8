// A chapter of the lesson: a few lines to read, one thing to do, one thing to see, and the live part that both are about. Its words
// are in a file for each language (`en/chapter1.ts`, `de/chapter1.ts`), and hold text with marks; `rich` turns it into elements.
import { type Child, h } from "../dom";

/** The live part of a chapter. */
export interface Exhibit {
  element: HTMLElement;
  /** Present if the live part can wait off screen. Stops its work; returns false if nothing is worth keeping. */
  suspend?(): boolean;
  /** Continues after {@link suspend}, if it was running. */
  resume?(): void;
  /** Terminates workers and removes listeners. */
  close(): void;
}

/** The words of a chapter in one language. Text may hold *emphasis*, `code` and _variables_. */
export interface ChapterText {
  /** Same as in the list of chapters, which is there before a chapter is loaded. */
  title: string;
  /** Paragraphs; the first is set larger. */
  text: string[];
  /** The one thing to do. */
  task: string;
  /** The one thing to see. */
  sight: string;
  /** For the teacher: notes on how to present it, then questions with answers. */
  teacher: { notes: string[]; questions: [question: string, answer: string][] };
}

/** The code of a chapter. */
export interface ChapterCode {
  /** Creates the live part, which calls `seen` when the thing to see has been on screen. */
  exhibit(seen: () => void): Exhibit | Promise<Exhibit>;
}

/** A chapter. */
export interface Chapter extends ChapterText, ChapterCode {}

const MARKS = { "*": "em", "`": "code", _: "var" } as const;

type Marked = [tag: (typeof MARKS)[keyof typeof MARKS], text: string];

/** Splits text at its marks. A mark counts only at the edge of a word, so that `max_ulp` needs no escape. */
export function parseMarks(text: string): (string | Marked)[] {
  const parts = text.split(/(?<![\w*`])([*`_])(?=\S)(.+?)(?<=\S)\1(?![\w*`])/g);
  const nodes: (string | Marked)[] = [parts[0]!];
  for (let i = 1; i < parts.length; i += 3) nodes.push([MARKS[parts[i] as keyof typeof MARKS], parts[i + 1]!], parts[i + 2]!);
  return nodes;
}

/** Turns text with marks into nodes. */
export function rich(text: string): Child[] {
  return parseMarks(text).map((part) => (typeof part === "string" ? part : h(part[0], {}, part[1])));
}

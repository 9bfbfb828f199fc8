// The page in German: a table of texts for each part of the page. Names in braces, which stand for numbers and elements, may be in
// another order.
//
// To add a language, copy this file and `de/`, translate the right-hand sides, declare each table as the German part's
// `Record<keyof typeof …, string>`, so that the compiler names what is missing, and add the language to `LANGUAGES` and
// `TABLES` in `language.ts`. A text that is added to the page's code must be in the German table, else the page does not compile.
// The chapters of the lesson are long prose, with a file for each language: copy `lesson/de/` as well, and add its files to the list
// of chapters in `lesson/lesson.ts`, where the compiler asks for them.
import { device } from "./de/device";
import { equations } from "./de/equations";
import { lesson } from "./de/lesson";
import { runs } from "./de/runs";
import { shell } from "./de/shell";

const german = { ...shell, ...runs, ...equations, ...lesson, ...device };

/** A text of the page, in English. */
export type Text = keyof typeof german;

/** A text without names in braces, which a constant or a table can hold. */
export type PlainText = Exclude<Text, `${string}{${string}`>;

/** The texts of a language by their English. */
export type Table = Record<Text, string>;

export const table: Table = german;

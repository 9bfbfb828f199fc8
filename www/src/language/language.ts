// The page's texts in the reader's language. English is in the code, and is the key of a text in the table of another language,
// which loads before the first view and only where it is needed. `de.ts` says how to add a language.
//
// The workers' code must not import this file: a worker whose modules wait for a table would lose the first messages to it. What they
// and the core report stays in English, as in the native program.
import { stored, store } from "../stored";
import type { Table, Text } from "./de";

/** The languages of the page, by their tags, with their own names. */
export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

/** Loads the table of a language. */
const TABLES: Record<Exclude<Language, "en">, () => Promise<{ table: Table }>> = { de: () => import("./de") };

const KEY = "language";

const isLanguage = (tag: string): tag is Language => Object.hasOwn(LANGUAGES, tag);

/** The language of the first of `tags` (`de`, `de-AT`) that the page has; English without one. */
export function languageOf(tags: readonly (string | null)[]): Language {
  return tags.map((tag) => tag?.toLowerCase().split("-")[0] ?? "").find(isLanguage) ?? "en";
}

/** The language of the page: what `?lang=` names, what the reader chose before, or what the browser prefers. */
export const language: Language =
  typeof location === "undefined"
    ? "en"
    : languageOf([new URLSearchParams(location.search).get("lang"), stored(KEY), ...navigator.languages]);

/** English while a table cannot be loaded: a page in another language is better than none. */
const table: Partial<Record<Text, string>> =
  language === "en" ? {} : await TABLES[language]().then((module) => module.table, () => ({}));

/** Remembers `chosen`, and opens the page again in it. */
export function useLanguage(chosen: Language): void {
  store(KEY, chosen);
  const address = new URL(location.href);
  address.searchParams.delete("lang");
  // Without storage only the address can carry the choice.
  if (stored(KEY) !== chosen) address.searchParams.set("lang", chosen);
  if (address.href === location.href) location.reload();
  else location.replace(address);
}

/** The names in braces of a text: `{step}` of "step {step}". */
type Names<S extends string> = S extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;

/** The values of a text's names, if it has any. */
type Values<S extends string, V> = [Names<S>] extends [never] ? [] : [values: Record<Names<S>, V>];

const PLACES = /\{(\w+)\}/g;

/** `text` with `values` in the place of the names in braces. */
function fill(text: string, values: unknown): string {
  const of = values as Record<string, string | number> | undefined;
  return of === undefined ? text : text.replace(PLACES, (_, name: string) => String(of[name]));
}

/** `text` in the page's language, with `values` in the place of the names in braces. */
export function t<S extends Text>(text: S, ...[values]: Values<S, string | number>): string {
  return fill(table[text] ?? text, values);
}

/** The same in English, for names in files, which must not depend on the reader's language. */
export function english<S extends Text>(text: S, ...[values]: Values<S, string | number>): string {
  return fill(text, values);
}

/** Same as {@link t}, with elements among the values. Returns what `h` takes as children. */
export function tNodes<S extends Text>(english: S, ...[values]: Values<S, Node | string | number>): (Node | string)[] {
  const of = (values ?? {}) as Record<string, Node | string | number>;
  // Every second part is a name.
  return (table[english] ?? english).split(PLACES).map((part, i) => {
    if (i % 2 === 0) return part;
    const value = of[part]!;
    return value instanceof Node ? value : String(value);
  });
}

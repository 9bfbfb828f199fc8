// Light or dark, and the size of type: the reader's choice, else the system's setting. Canvases get their colours here,
// because a custom property with light-dark() has no single value to read.

import { store, stored } from "../stored";

type Theme = "light" | "dark";

const dark = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();
let probe: HTMLElement | undefined;

/** Applies the choices of an earlier visit. Called once, before the first view. */
export function restoreTheme(): void {
  const { dataset } = document.documentElement;
  const theme = stored("theme");
  if (theme === "light" || theme === "dark") dataset["theme"] = theme;
  if (stored("size") === "large") dataset["size"] = "large";
  dark.addEventListener("change", changed);
  watchResolution();
}

/** Reports a change of the device's pixels for each CSS pixel: another zoom, or a move to another screen. */
function watchResolution(): void {
  const now = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
  const onChange = (): void => {
    // The query knows one resolution only, so the next change needs another query.
    watchResolution();
    changed();
  };
  now.addEventListener("change", onChange, { once: true });
}

/** The theme that is shown. */
export function theme(): Theme {
  const chosen = document.documentElement.dataset["theme"];
  return chosen === "light" || chosen === "dark" ? chosen : dark.matches ? "dark" : "light";
}

/** Switches between light and dark, and remembers the choice. */
export function toggleTheme(): void {
  const next: Theme = theme() === "dark" ? "light" : "dark";
  document.documentElement.dataset["theme"] = next;
  store("theme", next);
  changed();
}

/** Whether type is larger than normal, for the last row of a lecture hall. */
export function isLarge(): boolean {
  return document.documentElement.dataset["size"] === "large";
}

/** Switches between normal and larger type, and remembers the choice. */
export function toggleSize(): void {
  const { dataset } = document.documentElement;
  if (isLarge()) delete dataset["size"];
  else dataset["size"] = "large";
  store("size", dataset["size"] ?? "");
  changed();
}

/** Calls `listener` whenever canvases must be drawn again: colours, type or the pixels of the screen changed. Returns a function that removes it. */
export function onTheme(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The colour, in a form for canvases, of a token of tokens.css by its name without dashes, such as "c0" or "line". */
export function colour(token: string): string {
  probe ??= document.body.appendChild(document.createElement("i"));
  probe.hidden = true;
  probe.style.color = `var(--${token})`;
  return getComputedStyle(probe).color;
}

/** Pixels of one rem, so that canvas text grows with the page's. */
export function rem(): number {
  return Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
}

/** A font of `size` rem for canvases. uPlot reads digits up to `px` as the size, so it must be a whole number of pixels. */
export function canvasFont(size: number): string {
  return `${Math.round(size * rem())}px system-ui, sans-serif`;
}

/** Has canvases drawn again, because colours or the size of type have changed. */
export function changed(): void {
  for (const listener of listeners) listener();
}

// Light or dark, and the size of type: the reader's choice, else the system's setting. Canvases get their colours here,
// because a custom property with light-dark() has no single value to read.

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

/** Calls `listener` whenever colours or type change. Returns a function that removes it. */
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

/** Has canvases drawn again, because colours or the size of type have changed. */
export function changed(): void {
  for (const listener of listeners) listener();
}

/** Storage may be forbidden; then a choice lasts as long as the page. */
function stored(key: string): string | null {
  try {
    return localStorage.getItem(`lastbit-${key}`);
  } catch {
    return null;
  }
}

function store(key: string, value: string): void {
  try {
    localStorage.setItem(`lastbit-${key}`, value);
  } catch {
    // Nothing to do: the page works without storage.
  }
}

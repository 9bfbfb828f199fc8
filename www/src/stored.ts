// What the browser keeps from visit to visit: a few short texts.

/** The text that is kept under `key`, or `null`. Storage may be forbidden; then a choice lasts as long as the page. */
export function stored(key: string): string | null {
  try {
    return localStorage.getItem(`lastbit-${key}`);
  } catch {
    return null;
  }
}

/** Keeps `value` under `key`, if the browser allows it. */
export function store(key: string, value: string): void {
  try {
    localStorage.setItem(`lastbit-${key}`, value);
  } catch {
    // Nothing to do: the page works without storage.
  }
}

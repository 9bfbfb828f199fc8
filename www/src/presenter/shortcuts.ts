// Whether the keys p and n do anything.
import { store, stored } from "../stored";

const KEY = "shortcuts";
/** The choice without storage. */
let areOn = true;

/** People who speak to their machine, or press keys by accident, can switch the keys off (WCAG 2.1.4). */
export const hasShortcuts = (): boolean => (stored(KEY) ?? (areOn ? "on" : "off")) === "on";

/** Switches the keys on or off, also for later visits. */
export function useShortcuts(on: boolean): void {
  areOn = on;
  store(KEY, on ? "on" : "off");
}

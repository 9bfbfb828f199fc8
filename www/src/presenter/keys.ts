// The keys of presenter mode, and which of them belong to what has the focus.

/** What a key does. */
export type KeyAction = "next" | "previous" | "leave" | "present" | "notes";

const ACTIONS: Record<string, KeyAction> = {
  ArrowRight: "next",
  ArrowLeft: "previous",
  // A remote control sends these.
  PageDown: "next",
  PageUp: "previous",
  Escape: "leave",
  p: "present",
  n: "notes",
};

const TEXT = 'input:not([type="range"], [type="radio"], [type="checkbox"], [type="button"]), textarea, select, [contenteditable]:not([contenteditable="false"])';
const WITH_ARROWS = `${TEXT}, input[type="range"], input[type="radio"], .plot-frame, .draggable, [role="slider"], [role="radio"]`;

/** What a key press asks for; `undefined` if it is none of presenter mode's, or belongs to the element that has the focus. */
export function actionOf(event: Pick<KeyboardEvent, "key" | "altKey" | "ctrlKey" | "metaKey" | "shiftKey" | "repeat" | "defaultPrevented" | "target">): KeyAction | undefined {
  const { key, target } = event;
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return undefined;
  // With caps lock on, letters arrive as capitals.
  const action = ACTIONS[key.length === 1 ? key.toLowerCase() : key];
  if (action === undefined) return undefined;
  // A key that is held down must not run through the lesson.
  if (event.repeat) return undefined;
  const focused = target as Partial<Element> | null;
  const isIn = (selector: string): boolean => focused?.closest?.(selector) != null;
  if (key.startsWith("Arrow")) return isIn(WITH_ARROWS) ? undefined : action;
  // Escape in a plot that is zoomed shows all of it.
  if (action === "leave") return isIn(".plot:has(button.quiet:not([hidden])) .plot-frame") ? undefined : action;
  return isIn(TEXT) ? undefined : action;
}

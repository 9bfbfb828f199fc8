// Creates elements in one expression, without a framework and without HTML from strings.

/** What an element may contain; `undefined` and `null` are left out. */
export type Child = Node | string | number | undefined | null;

type Attributes = Record<string, string | number | boolean | undefined | ((event: Event) => void)>;

/**
 * An element. Attributes whose value is `undefined` or `false` are left out, `true` is an empty attribute, and a function
 * under `onclick`, `oninput`, ... is a listener.
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== undefined && child !== null).map(toNode));
  return element;
}

function toNode(child: Child): Node | string {
  return typeof child === "number" ? String(child) : (child ?? "");
}

/** Sets the text of an element if it differs, so that a live region speaks, and layout happens, on changes only. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** A button. */
export function button(text: string, onclick: () => void, attributes: Attributes = {}): HTMLButtonElement {
  return h("button", { type: "button", onclick, ...attributes }, text);
}

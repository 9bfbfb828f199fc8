// The controls of a run, made from the table of properties. A valid change is reported at once.
import { h } from "../dom";
import { PROPERTIES, type Property, type Values } from "../properties";
import { validate } from "../validate";

/** Called when the user sets `key` to another valid value. */
export type OnChange = (key: string, text: string) => void;

/** Fields for the properties of one place. */
export class Controls {
  readonly element: HTMLElement;
  private readonly inputs = new Map<string, HTMLInputElement | HTMLSelectElement>();

  constructor(place: Property["place"], except: readonly string[], onChange: OnChange) {
    const shown = PROPERTIES.filter((property) => property.place === place && !except.includes(property.key));
    this.element = h("div", { class: "fields" }, ...shown.map((property) => this.field(property, onChange)));
  }

  /** Shows these values, except in a field that is being edited and is invalid. */
  show(values: Values): void {
    for (const [key, input] of this.inputs) {
      if (input === document.activeElement && input.getAttribute("aria-invalid") === "true") continue;
      write(input, values[key] ?? "");
      input.removeAttribute("aria-invalid");
      input.setCustomValidity("");
    }
  }

  private field(property: Property, onChange: OnChange): HTMLElement {
    const { key, label, hint } = property;
    const input = inputOf(property);
    const onInput = (): void => {
      const text = read(input);
      const wrong = validate(property, text, label);
      input.toggleAttribute("aria-invalid", false);
      input.setCustomValidity(wrong ?? "");
      if (wrong === undefined) return onChange(key, text);
      input.setAttribute("aria-invalid", "true");
      input.reportValidity();
    };
    input.addEventListener("change", onInput);
    input.dataset["testid"] = key;
    this.inputs.set(key, input);
    const name = h("span", {}, label, hint === undefined ? undefined : h("small", { class: "unit" }, hint));
    return property.format.type === "flag"
      ? h("label", { class: "field check" }, input, name)
      : h("label", { class: "field" }, name, input);
  }
}

function inputOf({ format }: Property): HTMLInputElement | HTMLSelectElement {
  switch (format.type) {
    case "choice":
      return h("select", {}, ...format.options.map(([value, text]) => h("option", { value }, text)));
    case "flag":
      return h("input", { type: "checkbox" });
    case "number":
    case "integer":
      return h("input", { type: "text", inputmode: format.type === "integer" ? "numeric" : "decimal", autocomplete: "off", spellcheck: "false" });
    default:
      return h("input", { type: "text", autocomplete: "off", spellcheck: "false" });
  }
}

function read(input: HTMLInputElement | HTMLSelectElement): string {
  return input.type === "checkbox" ? String((input as HTMLInputElement).checked) : input.value.trim().replaceAll(/\s*,\s*/g, ",");
}

function write(input: HTMLInputElement | HTMLSelectElement, text: string): void {
  if (input.type === "checkbox") {
    (input as HTMLInputElement).checked = text === "true";
    return;
  }
  // An address may hold a value that is not in the list, such as resnet32; it is added.
  if (input instanceof HTMLSelectElement && ![...input.options].some(({ value }) => value === text)) {
    input.append(h("option", { value: text }, text));
  }
  if (input.value !== text) input.value = text;
}

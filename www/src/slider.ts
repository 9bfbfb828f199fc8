// A slider with its value beside its name.
import { h, setText } from "./dom";

/** Creates a slider; `oninput` gets the value that the reader moves it to. */
export function slider(
  name: string,
  attributes: { min: number; max: number; step: number; value: number; testid: string; text: (value: number) => string },
  oninput: (value: number) => void,
): { element: HTMLElement; input: HTMLInputElement; set(value: number): void } {
  const { min, max, step, value, testid, text } = attributes;
  const output = h("output", {});
  const input = h("input", { type: "range", min, max, step, "data-testid": testid });
  const show = (): void => {
    setText(output, text(input.valueAsNumber));
    input.setAttribute("aria-valuetext", text(input.valueAsNumber));
  };
  const set = (to: number): void => {
    input.value = String(to);
    show();
  };
  set(value);
  input.addEventListener("input", () => {
    show();
    oninput(input.valueAsNumber);
  });
  return { element: h("label", { class: "field slider" }, h("span", {}, name, " ", output), input), input, set };
}

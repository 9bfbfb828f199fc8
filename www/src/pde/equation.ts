// What the three equations of the bench have in common: a part of the page that runs in a worker until it is closed, and
// says on its own what went wrong.
import { button, h, setText } from "../dom";
import { BenchClient } from "./bench";

/** An equation on the page. */
export interface Equation {
  element: HTMLElement;
  /** The values that make an address of what is shown. */
  query(): Record<string, string>;
  close(): void;
}

/** What an equation is opened with. */
export interface EquationOptions {
  query?: URLSearchParams;
  /** Called when the user changed something that belongs into the address. */
  changed?: () => void;
  /** Called once the equation has shown what it is there to show. */
  seen?: () => void;
}

/** A number of the address, if it is there and within the bounds. */
export function numberOf(query: URLSearchParams | undefined, name: string, least: number, most: number): number | undefined {
  const text = query?.get(name) ?? "";
  const value = Number(text);
  return text !== "" && value >= least && value <= most ? value : undefined;
}

/** Runs `body` with a bench; what it throws is shown in `element`, with a button that begins anew. Returns what ends it. */
export function withBench(
  element: HTMLElement,
  body: (bench: BenchClient, isOver: () => boolean) => Promise<void>,
): () => void {
  let bench: BenchClient | undefined;
  let over = false;
  const where = h("p", { class: "note", "data-testid": "pde-adapter" });
  element.append(where);

  async function begin(): Promise<void> {
    bench = await BenchClient.open();
    if (over) return bench.close();
    setText(where, (await bench.adapter()).words);
    await body(bench, () => over);
  }

  function start(): void {
    begin().catch((error: unknown) => {
      bench?.close();
      if (over) return;
      const words = error instanceof Error ? error.message : String(error);
      const again = button("Start again", () => {
        notice.remove();
        start();
      });
      const notice = h("div", { class: "notice error", role: "alert" }, h("p", { "data-testid": "error" }, words), h("div", { class: "toolbar" }, again));
      element.prepend(notice);
    });
  }

  start();
  return () => {
    over = true;
    bench?.close();
  };
}

/** A slider with its value beside its name. */
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

/** Waits, so that an eye can follow; not at all for readers who want no motion. */
export function pace(milliseconds: number): Promise<void> {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return Promise.resolve();
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

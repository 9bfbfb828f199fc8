// What the three equations share: an element that computes in a worker until it is closed, and that shows its
// errors itself.
import { button, h, setText } from "../dom";
import { t } from "../language/language";
import { messageOf } from "../message_of";
import { EquationsClient } from "./client";

/** An equation on the page. */
export interface Equation {
  element: HTMLElement;
  /** The query of the address that shows the same. */
  query(): Record<string, string>;
  /** Present if one figure of the equation can stand alone. */
  alone?: Alone;
  close(): void;
}

/** The main figure of an equation, and what plays it. */
export interface Alone {
  figure: HTMLElement;
  running(): boolean;
  finished(): boolean;
  step(): number;
  play(): void;
  pause(): void;
}

/** Options of an equation. */
export interface EquationOptions {
  query?: URLSearchParams;
  /** Called when the user changes something that the address holds. */
  changed?: () => void;
  /** Called after each change of what is shown, and when the equation starts or stops. */
  shown?: () => void;
  /** Called when the equation has shown its effect. */
  seen?: () => void;
}

/** A number from the address, if it is present and within the bounds. */
export function queryNumber(query: URLSearchParams | undefined, name: string, least: number, most: number): number | undefined {
  const text = query?.get(name) ?? "";
  const value = Number(text);
  return text !== "" && value >= least && value <= most ? value : undefined;
}

/** Runs `body` with a client. Shows its error in `element`, with a button that starts again. Returns a function that ends it. */
export function withClient(
  element: HTMLElement,
  body: (client: EquationsClient, isOver: () => boolean) => Promise<void>,
): () => void {
  let client: EquationsClient | undefined;
  let over = false;
  const where = h("p", { class: "note", "data-testid": "pde-adapter" });
  element.append(where);

  async function begin(): Promise<void> {
    client = await EquationsClient.open();
    if (over) return client.close();
    setText(where, (await client.adapter()).text);
    await body(client, () => over);
  }

  function start(): void {
    begin().catch((error: unknown) => {
      client?.close();
      if (over) return;
      const again = button(t("Start again"), () => {
        notice.remove();
        start();
      });
      const notice = h("div", { class: "notice error", role: "alert" }, h("p", { "data-testid": "error" }, messageOf(error)), h("div", { class: "toolbar" }, again));
      element.prepend(notice);
    });
  }

  start();
  return () => {
    over = true;
    client?.close();
  };
}

/** Waits so that the eye can follow; does not wait for readers who prefer reduced motion. */
export function animationDelay(milliseconds: number): Promise<void> {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return Promise.resolve();
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

// The fault injector: one bit of a control is flipped, and the lamp must turn red.
import { button, h } from "../dom";
import type { FlipBit } from "../messages";
import type { Component, RunSource } from "../run/session";

/** Reads `TENSOR:INDEX:STEP:REPLICA`, as the command line's --flip-bit. */
export function parseFlip(text: string): FlipBit | undefined {
  const found = /^(.+):(\d+):(\d+):(\d+)$/.exec(text);
  return found === null
    ? undefined
    : { tensor: found[1]!, index: Number(found[2]), step: Number(found[3]), replica: Number(found[4]) };
}

/** Writes it. */
export function flipText({ tensor, index, replica }: FlipBit, step: number): string {
  return [tensor, index, step, replica].join(":");
}

/** The button. */
export class FlipButton implements Component {
  private readonly button: HTMLButtonElement;
  readonly element: HTMLElement;
  private flip: FlipBit | undefined;

  constructor(onFlip: (flip: FlipBit) => void) {
    this.button = button("Flip one bit of the control", () => this.flip && onFlip(this.flip), {
      "data-testid": "flip-bit",
      title: "Flips the last bit of one weight after the next step, to see that the lamp notices",
    });
    this.element = h("div", {}, this.button);
  }

  update({ opened }: RunSource): void {
    const replica = opened?.controls[0];
    const tensor = opened?.tensors.find(({ convolution }) => convolution);
    this.flip = replica === undefined || tensor === undefined ? undefined : { tensor: tensor.name, index: 0, replica };
    this.element.hidden = opened !== undefined && this.flip === undefined;
  }
}

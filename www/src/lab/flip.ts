// The fault injector: one bit of a control is flipped, and the lamp must turn red.
import { button, h } from "../dom";
import type { FlipBit } from "../messages";
import type { RunRecord } from "../run/record";
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
  private record: RunRecord | undefined;
  /** The run whose bit was asked for: a run has one flipped bit at most, as its config has. */
  private flipped: RunRecord | undefined;

  constructor(onFlip: (flip: FlipBit) => void) {
    this.button = button("Flip one bit of the control", () => {
      if (this.flip === undefined || this.isSpent()) return;
      this.flipped = this.record;
      onFlip(this.flip);
      this.tell();
    }, { "data-testid": "flip-bit" });
    this.element = h("div", {}, this.button);
  }

  private isSpent(): boolean {
    return this.record !== undefined && (this.flipped === this.record || this.record.flips.length > 0);
  }

  /** Not `disabled`: the keyboard must still reach the reason. */
  private tell(): void {
    const spent = this.isSpent();
    this.button.setAttribute("aria-disabled", String(spent));
    this.button.title = spent
      ? "This run has its flipped bit. Reset begins a run without one"
      : "Flips the last bit of one weight after the next step, to see that the lamp notices";
  }

  update({ opened, record }: RunSource): void {
    this.record = record;
    this.tell();
    const replica = opened?.controls[0];
    const tensor = opened?.tensors.find(({ convolution }) => convolution);
    this.flip = replica === undefined || tensor === undefined ? undefined : { tensor: tensor.name, index: 0, replica };
    this.element.hidden = opened !== undefined && this.flip === undefined;
  }
}

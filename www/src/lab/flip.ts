// The fault injector flips one bit of a control, and the lamp must turn red.
import { button, h } from "../dom";
import { t } from "../language/language";
import type { FlipBit } from "../messages";
import type { RunRecord } from "../run/record";
import type { Component, RunSource } from "../run/session";

/** Parses `TENSOR:INDEX:STEP:REPLICA`, the value of the command line's --flip-bit. */
export function parseFlip(text: string): FlipBit | undefined {
  const found = /^(.+):(\d+):(\d+):(\d+)$/.exec(text);
  return found === null
    ? undefined
    : { tensor: found[1]!, index: Number(found[2]), step: Number(found[3]), replica: Number(found[4]) };
}

/** The value that {@link parseFlip} parses. */
export function flipText({ tensor, index, replica }: FlipBit, step: number): string {
  return [tensor, index, step, replica].join(":");
}

/** The words of the button. */
interface Words {
  text: string;
  /** How to have a run without a flipped bit. */
  again: string;
}

const IN_THE_LAB: Words = { text: t("Flip one bit of the control"), again: t("Reset begins a run without one") };

/** The button that flips a bit of the first control. */
export class FlipButton implements Component {
  private readonly button: HTMLButtonElement;
  readonly element: HTMLElement;
  private flip: FlipBit | undefined;
  private record: RunRecord | undefined;
  /** The run in which a flip was requested. A run has at most one flipped bit, as its config has. */
  private flipped: RunRecord | undefined;
  private finished = false;

  constructor(
    onFlip: (flip: FlipBit) => void,
    private readonly words = IN_THE_LAB,
  ) {
    this.button = button(words.text, () => {
      if (this.flip === undefined || this.isSpent() || this.finished) return;
      this.flipped = this.record;
      onFlip(this.flip);
      this.updateButton();
    }, { "data-testid": "flip-bit" });
    this.element = h("div", {}, this.button);
  }

  private isSpent(): boolean {
    return this.record !== undefined && (this.flipped === this.record || this.record.flips.length > 0);
  }

  /** Updates the button. It is never `disabled`, because the keyboard must still reach the reason. */
  private updateButton(): void {
    const spent = this.isSpent();
    this.button.setAttribute("aria-disabled", String(spent || this.finished));
    const { again } = this.words;
    this.button.title = spent
      ? t("This run already has a flipped bit. {again}", { again })
      : this.finished
        ? t("This run is finished, and a bit is flipped after a step. {again}", { again })
        : t("Flips the last bit of one weight after the next step, to show that the lamp notices");
  }

  update({ opened, record, finished }: RunSource): void {
    this.record = record;
    this.finished = finished;
    this.updateButton();
    const replica = opened?.controls[0];
    const tensor = opened?.tensors.find(({ measured }) => measured);
    this.flip = replica === undefined || tensor === undefined ? undefined : { tensor: tensor.name, index: 0, replica };
    this.element.hidden = opened !== undefined && this.flip === undefined;
  }
}

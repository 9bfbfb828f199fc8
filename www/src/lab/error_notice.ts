// An error with its remedy. What the run has recorded stays on screen.
import { button, h, setText } from "../dom";
import { t } from "../language/language";
import type { Fault } from "../messages";

const REMEDIES: Partial<Record<Fault, string>> = {
  "device-lost":
    t("What was recorded stays: the curves on screen, and their numbers under CSV. Restart begins again at step 0 on a new device and pins the old curves beside the new ones."),
  "out-of-memory":
    t("Choose a smaller network, batch size or width, or fewer k; the run then starts. Restart tries the same sizes again. What the last run recorded stays on screen, and under CSV."),
  "gpu": t("Restart tries again."),
  "data": t("Drop the files of the images anywhere on this page."),
};

/** The notice that shows an error. */
export class ErrorNotice {
  private readonly message = h("span", { "data-testid": "error" });
  private readonly remedy = h("p", {});
  private readonly restart: HTMLButtonElement;
  readonly element: HTMLElement;

  constructor(restart: () => void) {
    this.restart = button(t("Restart"), restart, { "data-testid": "restart" });
    const dismiss = button(t("Dismiss"), () => this.clear(), { class: "quiet" });
    this.element = h(
      "div",
      { class: "notice error", role: "alert", hidden: true },
      h("p", {}, this.message),
      this.remedy,
      h("div", { class: "toolbar" }, this.restart, dismiss),
    );
  }

  /** Shows a fault. */
  show(fault: Fault, message: string): void {
    setText(this.message, message);
    const remedy = REMEDIES[fault];
    setText(this.remedy, remedy ?? "");
    this.remedy.hidden = remedy === undefined;
    this.restart.hidden = fault === "data" || fault === "config" || fault === "load";
    this.element.hidden = false;
  }

  /** Hides the notice. */
  clear(): void {
    this.element.hidden = true;
    setText(this.message, "");
  }
}

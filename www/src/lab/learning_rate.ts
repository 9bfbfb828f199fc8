// The learning rate: a number and a logarithmic slider, which also change it during a run. A typed number is applied after a
// pause, the slider when it is released.
import { h } from "../dom";
import { t } from "../language/language";
import { isPositive } from "../validate";

/** Ends of the slider, as powers of ten. */
const [LOW, HIGH] = [-5, 1];
const TYPING_MS = 500;

/** The number with its slider. */
export class LearningRate {
  private readonly number = h("input", { type: "text", inputmode: "decimal", autocomplete: "off", "data-testid": "lr" });
  private readonly slider = h("input", { type: "range", min: LOW, max: HIGH, step: 0.05, "aria-label": t("Learning rate, slider") });
  readonly element = h(
    "div",
    { class: "field slider" },
    h("label", { class: "field" }, h("span", {}, t("Learning rate"), h("small", { class: "unit" }, t("also while it runs"))), this.number),
    this.slider,
  );
  private timer: ReturnType<typeof setTimeout> | undefined;
  private reported = Number.NaN;

  constructor(private readonly onChange: (lr: number) => void) {
    this.number.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.onTyped(), TYPING_MS);
    });
    this.number.addEventListener("change", () => this.onTyped());
    this.slider.addEventListener("input", () => (this.number.value = String(this.sliderValue())));
    this.slider.addEventListener("change", () => this.report(this.sliderValue()));
  }

  /** Shows `lr`, unless the field is being edited. */
  show(lr: number): void {
    this.reported = lr;
    if (document.activeElement !== this.number) this.number.value = String(lr);
    if (document.activeElement !== this.slider || !this.slider.matches(":active")) this.slider.value = String(Math.log10(lr));
    this.slider.setAttribute("aria-valuetext", String(lr));
  }

  private sliderValue(): number {
    return Number((10 ** Number(this.slider.value)).toPrecision(2));
  }

  private onTyped(): void {
    clearTimeout(this.timer);
    const lr = Number(this.number.value);
    const isGood = isPositive(this.number.value);
    if (isGood) this.number.removeAttribute("aria-invalid");
    else this.number.setAttribute("aria-invalid", "true");
    if (isGood) this.report(lr);
  }

  private report(lr: number): void {
    if (lr === this.reported) return;
    this.reported = lr;
    this.onChange(lr);
  }
}

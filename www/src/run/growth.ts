// The Lyapunov exponent along a run whose copies return to their distances: the mean growth a step up to each step.
import { h } from "../dom";
import { t } from "../language/language";
import type { GrowthEvent } from "../messages";
import { LinePlot } from "../plots/line_plot";
import { colourOf, labelOf, repeatsColour } from "./replicas";
import type { Component, RunSource } from "./session";

/** The exponent a step, up to each of the measured steps: the sum of the logarithms of the growth of `replica`, divided by the step. */
export function exponents(lines: readonly GrowthEvent[], replica: number): Float64Array {
  let total = 0;
  return Float64Array.from(lines, ({ step, growth }) => {
    total += growth[replica] ?? Number.NaN;
    return total / step;
  });
}

/** The plot; hidden while the run measures no growth. */
export class GrowthPlot implements Component {
  private readonly plot = new LinePlot({
    title: t("Lyapunov exponent"),
    note: t("mean growth a step, as a natural logarithm"),
    height: 10,
    fromZero: true,
    empty: t("Not measured yet"),
  });
  readonly element = h("div", { "data-testid": "growth", hidden: true }, this.plot.element);

  update({ record, values }: RunSource): void {
    const lines = record?.growth ?? [];
    this.element.hidden = (values?.["lyapunov"] ?? "") === "" && lines.length === 0;
    if (this.element.hidden || record === undefined) return;
    const curves = record.ks.map((_, r) => r).slice(1).map((r) => ({
      label: labelOf(record, r),
      colour: colourOf(record, r),
      values: exponents(lines, r),
      dotted: repeatsColour(record, r),
    }));
    this.plot.set({ x: Float64Array.from(lines, ({ step }) => step), curves });
  }

  close(): void {
    this.plot.close();
  }
}

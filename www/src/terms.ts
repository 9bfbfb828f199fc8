// Words or letters with their meanings, folded.
import { h } from "./dom";
import "./style/terms.css";

export type Terms = readonly (readonly [term: string, meaning: string])[];

/** The meanings, behind `summary`. */
export function termsPanel(summary: string, terms: Terms): HTMLElement {
  const rows = terms.map(([term, meaning]) => h("div", {}, h("dt", {}, term), h("dd", {}, meaning)));
  return h("details", { class: "terms", "data-testid": "terms" }, h("summary", {}, summary), h("dl", {}, ...rows));
}

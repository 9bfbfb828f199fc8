// The figures that can stand alone, by the name that an address gives them.
import type { Found } from "../backend";
import { t } from "../language/language";
import { heat } from "../pde/heat";
import { nonlinear } from "../pde/nonlinear";
import "../style/pde.css";
import { Climb } from "../run/climb";
import { Consequence } from "../run/consequence";
import { divergencePlot } from "../run/curves";
import { Filters } from "../run/filters";
import { Heatmap } from "../run/heatmap";
import { equationFigure } from "./equation_figure";
import type { LoneFigure } from "./figure";
import { runFigure } from "./run_figure";

/** A figure by its name. */
interface Entry {
  title: string;
  /** Creates the figure, which calls `changed` after each change on screen. */
  make: (settings: URLSearchParams, found: Found, changed: () => void) => LoneFigure;
}

/** All figures. */
export const FIGURES: Readonly<Record<string, Entry>> = {
  parting: { title: t("Distance from the first copy"), make: (settings, found, changed) => runFigure(divergencePlot(true), settings, found, changed) },
  bits: { title: t("One weight, bit by bit"), make: (settings, found, changed) => runFigure(new Climb(), settings, found, changed) },
  consequence: { title: t("What the copies see"), make: (settings, found, changed) => runFigure(new Consequence(), settings, found, changed) },
  filters: { title: t("First-layer filters"), make: (settings, found, changed) => runFigure(new Filters(), settings, found, changed) },
  layers: { title: t("Distance by layer"), make: (settings, found, changed) => runFigure(new Heatmap(), settings, found, changed) },
  heat: { title: t("Heat along a rod"), make: (settings, _, changed) => equationFigure("heat", heat, "0.52", settings, changed) },
  nonlinear: { title: t("Distance of two one-layer networks"), make: (settings, _, changed) => equationFigure("nonlinear", nonlinear, "0.07", settings, changed) },
};

/** The figure called `name`; `undefined` if there is none. */
export function figureEntry(name: string): Entry | undefined {
  return Object.hasOwn(FIGURES, name) ? FIGURES[name] : undefined;
}

/** What to say about a name that no figure has. */
export function unknownFigure(name: string): string {
  return t("There is no figure “{name}”. Use one of {names}.", { name, names: Object.keys(FIGURES).join(", ") });
}

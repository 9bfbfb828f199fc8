// The equations: heat, the linear one-layer equation and the nonlinear one-layer network. The address holds the
// equation and the values of its sliders.
import { linkTo, showLink } from "../address";
import { h } from "../dom";
import { t } from "../language/language";
import "../style/pde.css";
import { readable, tellUnknown } from "../unknown";
import { type Terms, termsPanel } from "../terms";
import type { Route, View } from "../view";
import { heat } from "./heat";
import type { Equation, EquationOptions } from "./equation";
import { linear, LINEAR_TERMS } from "./linear";
import { nonlinear } from "./nonlinear";

interface Entry {
  path: string;
  title: string;
  make: (options: EquationOptions) => Equation;
  /** The update of one step. */
  formula: string;
  /** What the equation is, and what to look for. */
  description: string;
  /** What the letters of the formula are. */
  terms?: Terms;
}

const EQUATIONS: readonly Entry[] = [
  {
    path: "heat",
    title: t("Heat"),
    make: heat,
    formula: "u′ᵢ = uᵢ + dt (uᵢ₋₁ − 2uᵢ + uᵢ₊₁)",
    description: t(
      "Heat flows along a rod of 31 points. While a step multiplies the fastest zigzag by a number between −1 and 1, the zigzag dies out. Beyond, it grows without bound.",
    ),
  },
  {
    path: "linear",
    terms: LINEAR_TERMS,
    title: t("Linear network"),
    make: linear,
    formula: "w′ = w − dt (a β G w / 2 + α w)",
    description: t(
      "The one-layer network, linearised. With too little weight decay a mode grows; with too long a step a mode grows and alternates in sign. Drag the point across the border: the computed weights follow theory at once.",
    ),
  },
  {
    path: "nonlinear",
    title: t("Nonlinear network"),
    make: nonlinear,
    formula: "w′ = w − (dt k) (∇L(w) / k)",
    description: t(
      "The paper’s one-layer network, trained on one image, with k = 1, 3 and the control 2. As the step grows, the loss first settles, then hops, wanders without end, and blows up. Where it wanders, the last bit is enough to part k = 3 from k = 1.",
    ),
  },
];

/** Opens the view at the equation that the address names. */
export function open(route: Route): View {
  const element = h("div", { class: "page pde" });
  let shown: { entry: Entry; equation: Equation } | undefined;

  function show({ rest, query }: Route): void {
    const entry = EQUATIONS.find(({ path }) => path === rest) ?? EQUATIONS[0]!;
    if (rest !== "" && rest !== entry.path) tellUnknown(t("There is no equation “{name}”.", { name: readable(rest) }));
    if (shown?.entry === entry && sameQuery(query, shown.equation.query())) return;
    shown?.equation.close();
    const equation = entry.make({
      query,
      changed: () => showLink(linkTo(`pde/${entry.path}`, equation.query())),
    });
    shown = { entry, equation };
    const tabs = EQUATIONS.map(({ path, title }) =>
      h("a", { href: linkTo(`pde/${path}`), ...(path === entry.path ? { "aria-current": "page" } : {}) }, title),
    );
    element.replaceChildren(
      h("h1", {}, t("Three equations, from tame to wild")),
      h("nav", { class: "tabs sub", "aria-label": t("Equations") }, ...tabs),
      h("p", { class: "formula", "aria-label": t("The step") }, entry.formula),
      h("p", {}, entry.description),
      ...(entry.terms === undefined ? [] : [termsPanel(t("What the letters mean"), entry.terms)]),
      equation.element,
    );
  }

  show(route);
  return { element, navigate: show, close: () => shown?.equation.close() };
}

/** Whether an address has a query and agrees with what is shown. */
function sameQuery(query: URLSearchParams, shown: Record<string, string>): boolean {
  return [...query].length > 0 && [...query].every(([name, value]) => shown[name] === value);
}

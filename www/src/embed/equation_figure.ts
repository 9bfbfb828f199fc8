// An equation's main figure, alone.
import { linkTo } from "../address";
import { t } from "../language/language";
import type { Equation, EquationOptions } from "../pde/equation";
import type { LoneFigure } from "./figure";

/** The figure of the equation `name`. Its step size is that of the address, else `dt`, at which there is something to see. */
export function equationFigure(name: string, make: (options: EquationOptions) => Equation, dt: string, settings: URLSearchParams, changed: () => void): LoneFigure {
  const query = new URLSearchParams(settings);
  if (!query.has("dt")) query.set("dt", dt);
  const equation = make({ query, shown: changed });
  const { alone } = equation;
  if (alone === undefined) throw new Error(`the equation ${name} has no figure that stands alone`);
  // Errors of the equation still appear in its element.
  equation.element.replaceChildren(alone.figure);
  const used = equation.query();
  const problems = [...settings].filter(([key, text]) => used[key] === undefined || Number(text) !== Number(used[key])).map(([key, text]) => t("{setting} does not fit this equation", { setting: `${key} = ${text}` }));
  return {
    element: equation.element,
    page: `./${linkTo(`pde/${name}`, used)}`,
    problems,
    running: alone.running,
    finished: alone.finished,
    step: alone.step,
    play: alone.play,
    pause: alone.pause,
    error: () => undefined,
    close: equation.close,
  };
}

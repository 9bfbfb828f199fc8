// The address of a figure alone: `?figure=parting&lr=0.1`, before the `#`, because the figure takes the place of the whole page.
import { linkTo } from "../address";
import { defaults, preset, toQuery, type Values } from "../properties";
import { FIRST_RATE, FIRST_STEPS, smoothRun } from "../run/smooth";
import { fromQuery } from "../validate";

/** Parameters of the address that are no settings of a run. */
const OTHERS = ["figure", "lang", "backend", "webgpu"];

/** The settings in the address of a figure. */
export function settingsOf(search: string): URLSearchParams {
  const query = new URLSearchParams(search);
  for (const name of OTHERS) query.delete(name);
  return query;
}

/**
 * The run of `settings`. Without any it is the run of the first view; with some it is the run that the lab opens for the same
 * query. Invalid settings are reported as text.
 */
export function runOf(settings: URLSearchParams, isSlow: boolean): { values: Values; problems: string[] } {
  if (settings.size === 0) return { values: smoothRun(FIRST_RATE, FIRST_STEPS), problems: [] };
  const net = settings.get("net") ?? defaults()["net"]!;
  return fromQuery(settings, defaults(preset(net, isSlow)));
}

/** The page's address that shows the run of a figure: the first view for its own run, else the lab. */
export function pageOf(settings: URLSearchParams, values: Values): string {
  return settings.size === 0 ? "./" : `./${linkTo("lab", toQuery(values))}`;
}

/** `page` in the language that the address of a figure names, if it names one. */
export function inLanguageOf(search: string, page: string): string {
  const tag = new URLSearchParams(search).get("lang");
  const [path, ...place] = page.split("#");
  return tag === null ? page : [`${path}?${new URLSearchParams({ lang: tag })}`, ...place].join("#");
}

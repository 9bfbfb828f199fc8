// Moves a window of a talk to another place. Its role stays in the address.
import { linkTo } from "../address";
import { neighbour, pathOfLink, PLACES } from "./places";
import type { Role } from "./sync";

/** The parameter that keeps a window in its role. */
const MARKS: Record<Role, string> = { talk: "present", notes: "speaker" };

/** The path of the place that the address names. */
export const here = (): string => pathOfLink(location.hash) ?? PLACES[0]!.path;

/** Opens the place called `path`. */
export function goTo(role: Role, path: string): void {
  if (path !== here()) location.hash = linkTo(path, { [MARKS[role]]: "1" });
}

/** Opens the place `by` places on; beyond the ends there is none. */
export function turn(role: Role, by: number): void {
  const to = neighbour(here(), by);
  if (to !== undefined) goTo(role, to.path);
}

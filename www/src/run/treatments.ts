// What is done to a copy beside dividing by k: a perturbation of its weights, or a displacement. The names are those of the native
// program (`TrainConfig::label` and `Poke::label` of core).
import type { english } from "../language/language";
import type { Values } from "../properties";

/** What is done to one copy. */
export type Treatment =
  | { kind: "perturbed"; what: "ulp" | "scale" | "gaussian" | "gradient"; step: string; size: number; tensor: string | undefined; seed: string | undefined; distance?: number }
  | { kind: "displaced"; distance: number }
  | { kind: "undisturbed" };

/** The treatment that an entry of `perturb` describes: `none` or `STEP:KIND:SIZE[:TENSOR][:SEED]`. */
function parsePerturbation(entry: string): Treatment {
  const [step = "", what = "", size = "", ...rest] = entry.split(":");
  if (what === "") return { kind: "undisturbed" };
  const isSeed = (text: string | undefined): boolean => /^\d+$/.test(text ?? "");
  const [tensor, seed] = rest.length === 1 && isSeed(rest[0]) ? [undefined, rest[0]] : rest;
  return { kind: "perturbed", what: what as "ulp", step, size: Number(size), tensor, seed };
}

/** The treatment of each copy of a run; empty if the copies differ in k only. */
export function treatmentsOf(values: Values): Treatment[] {
  const list = (key: string): string[] => (values[key] ?? "").split(",").filter(Boolean);
  const perturb = list("perturb");
  const isDisplaced = (values["lyapunov"] ?? "") !== "";
  if (perturb.length === 0 && !isDisplaced) return [];
  const distances = isDisplaced ? list("lyapunov-distances") : [];
  return list("ks").map((_, r): Treatment => {
    const treatment = parsePerturbation(perturb[r] ?? "none");
    const distance = distances[r - 1];
    if (distance === undefined) return treatment;
    return treatment.kind === "perturbed" ? { ...treatment, distance: Number(distance) } : { kind: "displaced", distance: Number(distance) };
  });
}

/** A number as Rust's `{:e}` writes it: `1e-3`. */
const scientific = (value: number): string => value.toExponential().replace("e+", "e");

/** A number as Rust's `{}` writes it, without an exponent: `0.0000001`. */
export function plain(value: number): string {
  const [significand = "", exponent = ""] = Math.abs(value).toExponential().split("e");
  const [digits, power] = [significand.replace(".", ""), Number(exponent)];
  const sign = value < 0 ? "-" : "";
  if (power < 0) return `${sign}0.${"0".repeat(-power - 1)}${digits}`;
  const padded = digits.padEnd(power + 1, "0");
  const fraction = padded.slice(power + 1);
  return `${sign}${padded.slice(0, power + 1)}${fraction === "" ? "" : `.${fraction}`}`;
}

/** A treatment in the words of `say`, which is `t` or `english`. */
export function treatmentText(treatment: Treatment, say: typeof english): string {
  if (treatment.kind === "undisturbed") return say("undisturbed");
  const displaced = (distance: number): string => say("at distance {distance}", { distance: scientific(distance) });
  if (treatment.kind === "displaced") return displaced(treatment.distance);
  const { what, step, tensor, seed } = treatment;
  const size = plain(treatment.size);
  const deed = {
    ulp: () => say("{size} ulp", { size }),
    scale: () => say("one weight times 1 + {size}", { size: scientific(treatment.size) }),
    gaussian: () => say("gaussian {size}", { size }),
    gradient: () => say("gradient {size}", { size }),
  }[what]();
  const placed = tensor === undefined ? deed : say("{what} in {tensor}", { what: deed, tensor });
  const timed = say("{what} before step {step}", { what: placed, step });
  const seeded = seed === undefined ? timed : say("{what}, seed {seed}", { what: timed, seed });
  return treatment.distance === undefined ? seeded : `${displaced(treatment.distance)}, ${seeded}`;
}

// The table of a run's properties, from which the controls, the address, the config and the command line are made. A value is
// text, except in the config. The keys are those of the native config.toml.
import type { LiveBackend } from "./backend";
import { t } from "./language/language";
import type { Config } from "./messages";

/** Values by key. */
export type Values = Record<string, string>;

/** How a property is parsed and shown. */
type Format =
  | { type: "choice"; options: readonly (readonly [value: string, label: string])[]; pattern?: RegExp }
  | { type: "number"; min: number; max: number; exclusiveMin?: boolean }
  | { type: "integer"; min: number; max: number; optional?: boolean }
  | { type: "divisors" | "flag" | "rates" | "flip-bit" };

/** One property of a run. */
export interface Property {
  key: string;
  label: string;
  format: Format;
  /** Where the lab shows it; `hidden` properties are in the address only. */
  place: "main" | "more" | "hidden";
  /** Default of `lastbit train`, which the command line omits. */
  native: string;
  /** Default of the page, which the address omits. */
  page: string;
  /** A short explanation. */
  hint?: string;
}

const NETS = [
  ["one-layer", t("one layer")],
  ["resnet8", "ResNet-8"],
  ["resnet20", "ResNet-20"],
  ["resnet56", "ResNet-56"],
  ["preresnet20", "PreResNet-20"],
  ["vgg11", "VGG11"],
  ["vgg16", "VGG16"],
] as const;
const DATASETS = [
  ["synthetic", t("made up")],
  ["fashion-mnist", "Fashion-MNIST"],
  ["cifar10", "CIFAR-10"],
] as const;
const ACTIVATIONS = [
  ["", t("default")],
  ["relu", "ReLU"],
  ["swish", t("Swish, beta 5")],
  ["swish:1", t("Swish, beta 1")],
] as const;
const PERTURBATIONS = [
  ["divide", t("divide by k")],
  ["reciprocal", t("multiply by 1/k")],
  ["nextafter", t("one weight, one ulp")],
] as const;

const number = (min: number, max: number, exclusiveMin = false): Format => ({ type: "number", min, max, exclusiveMin });
const integer = (min: number, max: number): Format => ({ type: "integer", min, max });
const optional = (min: number, max: number): Format => ({ type: "integer", min, max, optional: true });
const BIG = 2 ** 53 - 1;
/** A larger most is no limit that anybody meets, and not named. */
const MOST_NAMED = 1e9;

/** All properties, in the order of `config.toml`. */
export const PROPERTIES: readonly Property[] = [
  { key: "net", label: t("Network"), format: { type: "choice", options: NETS, pattern: /^((pre)?resnet\d+|vgg13)$/ }, place: "main", native: "resnet56", page: "resnet8" },
  { key: "width", label: t("Width"), format: number(0.25, 8), place: "more", native: "1", page: "1", hint: t("times the channels") },
  { key: "activation", label: t("Activation"), format: { type: "choice", options: ACTIVATIONS, pattern: /^swish:[\d.e+-]+$/ }, place: "main", native: "", page: "" },
  { key: "dataset", label: t("Images"), format: { type: "choice", options: DATASETS }, place: "main", native: "cifar10", page: "synthetic" },
  { key: "ks", label: "k", format: { type: "divisors" }, place: "main", native: "1,3,5,7,9,11", page: "1,3,2", hint: t("1 to 63") },
  { key: "perturbation", label: t("Perturbation"), format: { type: "choice", options: PERTURBATIONS }, place: "more", native: "divide", page: "divide" },
  { key: "seed", label: t("Seed"), format: integer(0, BIG), place: "main", native: "1", page: "1" },
  { key: "seed-init", label: "Seed of the weights", format: optional(0, BIG), place: "hidden", native: "", page: "" },
  { key: "seed-order", label: "Seed of the order", format: optional(0, BIG), place: "hidden", native: "", page: "" },
  { key: "seed-augment", label: "Seed of the crops", format: optional(0, BIG), place: "hidden", native: "", page: "" },
  { key: "batch-size", label: t("Batch size"), format: integer(1, 65_536), place: "main", native: "128", page: "32" },
  { key: "lr", label: t("Learning rate"), format: number(0, 1e9, true), place: "main", native: "0.1", page: "0.1" },
  { key: "lr-changes", label: "Later learning rates", format: { type: "rates" }, place: "hidden", native: "", page: "" },
  { key: "momentum", label: t("Momentum"), format: number(0, 0.999_999), place: "main", native: "0.9", page: "0.9" },
  { key: "nesterov", label: t("Nesterov's momentum"), format: { type: "flag" }, place: "more", native: "true", page: "true" },
  { key: "weight-decay", label: t("Weight decay"), format: number(0, 1e9), place: "main", native: "0.0005", page: "0.0005" },
  { key: "epochs", label: t("Epochs"), format: integer(1, 2 ** 32 - 1), place: "more", native: "200", page: "200" },
  { key: "steps", label: t("Steps"), format: optional(1, BIG), place: "more", native: "", page: "", hint: t("empty: by epochs") },
  { key: "decay-every", label: t("Epochs between decays"), format: integer(0, 2 ** 32 - 1), place: "more", native: "40", page: "0", hint: t("of the learning rate; 0: never") },
  { key: "decay-factor", label: t("Decay factor"), format: number(0, 1, true), place: "more", native: "0.1", page: "0.1" },
  { key: "eval-every", label: t("Epochs between tests"), format: integer(0, 2 ** 32 - 1), place: "more", native: "1", page: "1", hint: t("0: at the end only") },
  { key: "log-every", label: t("Steps between layers"), format: optional(1, BIG), place: "more", native: "", page: "", hint: t("empty: dense at the start") },
  { key: "augment", label: t("Random crop and flip"), format: { type: "flag" }, place: "more", native: "true", page: "true" },
  { key: "shuffle", label: t("Random order"), format: { type: "flag" }, place: "more", native: "true", page: "true" },
  { key: "train-limit", label: t("Training images"), format: optional(1, BIG), place: "more", native: "", page: "1024", hint: t("empty: all") },
  { key: "test-limit", label: t("Test images"), format: optional(1, BIG), place: "more", native: "", page: "64", hint: t("empty: all") },
  { key: "flip-bit", label: "Flipped bit", format: { type: "flip-bit" }, place: "hidden", native: "", page: "" },
];

/** Values that suit a network: on a GPU, or if `isSlow` smaller ones, for a processor. */
export function preset(net: string, isSlow: boolean): Values {
  if (net === "one-layer") {
    // The paper's setting: one image, plain gradient descent, a weight decay that is stable at this step size.
    return {
      "dataset": "synthetic", "width": "1", "batch-size": "1", "lr": "0.01", "momentum": "0", "weight-decay": "20",
      "epochs": "100000", "eval-every": "0",
    };
  }
  const page = Object.fromEntries(
    ["width", "batch-size", "lr", "momentum", "weight-decay", "epochs", "eval-every", "train-limit", "test-limit"].map((key) => [key, property(key).page]),
  );
  if (!isSlow) return page;
  const width = /^(pre)?resnet(8|14|20)$/.test(net) ? "0.5" : "0.25";
  return { ...page, width, "batch-size": "4", "train-limit": "512", "test-limit": "64" };
}

const byKey = new Map(PROPERTIES.map((property) => [property.key, property]));

/** The property called `key`. */
export function property(key: string): Property {
  const found = byKey.get(key);
  if (found === undefined) throw new Error(`no property ${key}`);
  return found;
}

/** The page's defaults, with some of them replaced. */
export function defaults(replaced: Values = {}): Values {
  return { ...Object.fromEntries(PROPERTIES.map(({ key, page }) => [key, page])), ...replaced };
}

/** The smallest and the largest normal float32. Training is in float32, where smaller numbers may become 0. */
const FLOAT32 = { least: 2 ** -126, most: (2 - 2 ** -23) * 2 ** 127 };
function isInFloat32(value: number): boolean {
  const rounded = Math.abs(Math.fround(value));
  return value === 0 || (rounded >= FLOAT32.least && rounded <= FLOAT32.most);
}

/** True for a number that is above 0 and that float32 can hold. */
export function isPositive(text: string): boolean {
  return Number(text) > 0 && isInFloat32(Number(text));
}

/** What is wrong with the value of a property called `name`; `undefined` for a valid value. */
export function validate({ format, key }: Property, text: string, name = key): string | undefined {
  switch (format.type) {
    case "choice":
      if (text.startsWith("swish:") && format.pattern?.test(text) === true && !isPositive(text.slice(6))) {
        return t("{name} has a beta that float32 cannot hold: use numbers from 1.2e-38 to 3.4e38", { name });
      }
      return format.options.some(([value]) => value === text) || format.pattern?.test(text) === true
        ? undefined
        : t("{name} must be one of {options}", { name, options: format.options.map(([value]) => value || t("(empty)")).join(", ") });
    case "flag":
      return text === "true" || text === "false" ? undefined : t("{name} must be true or false", { name });
    case "divisors":
      return /^\d+(,\d+)*$/.test(text) && text.split(",").every((k) => Number(k) >= 1 && Number(k) <= 63)
        ? undefined
        : t("{name} must be a list of numbers from 1 to 63, such as 1,3,2", { name });
    case "rates":
      if (text === "") return undefined;
      if (!/^\d+:[\d.e+-]+(,\d+:[\d.e+-]+)*$/.test(text)) return t("{name} must be a list such as 20:0.01,40:0.1", { name });
      return text.split(",").every((rate) => isPositive(rate.split(":")[1] ?? ""))
        ? undefined
        : t("{name} has a rate that float32 cannot hold: use numbers from 1.2e-38 to 3.4e38", { name });
    case "flip-bit":
      // The value goes into a command line that people copy.
      return text === "" || /^[\w.]+:\d+:\d+:\d+$/.test(text) ? undefined : t("{name} must be TENSOR:INDEX:STEP:REPLICA", { name });
    case "integer": {
      if (text === "" && format.optional === true) return undefined;
      const { min, max } = format;
      const value = Number(text);
      if (text.trim() !== "" && Number.isInteger(value) && value >= min && value <= max) return undefined;
      return max <= MOST_NAMED
        ? t("{name} must be a whole number at least {min} and at most {max}", { name, min, max })
        : t("{name} must be a whole number at least {min}", { name, min });
    }
    case "number": {
      const { min, max, exclusiveMin } = format;
      const value = Number(text);
      const isAbove = exclusiveMin === true ? value > min : value >= min;
      if (text.trim() === "" || !isAbove || !(value <= max)) {
        return exclusiveMin === true
          ? t("{name} must be a number above {min} and at most {max}", { name, min, max })
          : t("{name} must be a number at least {min} and at most {max}", { name, min, max });
      }
      return isInFloat32(value) ? undefined : t("{name} is a number that float32 cannot hold: use numbers from 1.2e-38 to 3.4e38", { name });
    }
  }
}

/** The config that core reads. All values must be valid. It does not contain `flip-bit`, which is a command. */
export function config(values: Values): Config {
  const entries = PROPERTIES.filter(({ key }) => key !== "flip-bit").flatMap(({ key, format }): [string, Config[string]][] => {
    const text = values[key] ?? "";
    if (text === "") return [];
    if (format.type === "number" || format.type === "integer") return [[key, Number(text)]];
    if (format.type === "flag") return [[key, text === "true"]];
    if (format.type === "divisors") return [[key, text.split(",").map(Number)]];
    if (format.type === "rates") return [[key, text.split(",")]];
    return [[key, text]];
  });
  return Object.fromEntries(entries);
}

/** The values of an address, with those of `base` for keys that it omits. Unknown keys and invalid values are reported as text. */
export function fromQuery(query: URLSearchParams, base: Values): { values: Values; problems: string[] } {
  const values = { ...base };
  const problems: string[] = [];
  for (const [key, text] of query) {
    const known = byKey.get(key);
    const wrong = known === undefined ? t("{name} is not known", { name: key }) : validate(known, text);
    if (wrong === undefined) values[key] = text;
    else problems.push(wrong);
  }
  return { values, problems };
}

/** The query of an address: the values that differ from the page's defaults. */
export function toQuery(values: Values): Values {
  const changed = PROPERTIES.filter(({ key, page }) => (values[key] ?? "") !== page);
  return Object.fromEntries(changed.map(({ key }) => [key, values[key] ?? ""]));
}

/** The native program's adapter whose bits `backend` has: the page's processor computes in the class separate. WebGPU leaves the choice to the program. */
const adapterOf = (backend: LiveBackend | undefined): string | undefined => (backend === "processor" ? "processor:separate" : undefined);

/** The command line of the same run with the native program; if `backend` is the processor, in its class, so that the bits are the same. */
export function commandLine(values: Values, backend?: LiveBackend): string {
  const words = PROPERTIES.flatMap(({ key, native }) => {
    const text = values[key] ?? "";
    if (text === native || text === "") return [];
    if (key === "augment" || key === "shuffle") return [`--no-${key}`];
    return [key === "nesterov" ? `--${key}=${text}` : `--${key} ${text}`];
  });
  const adapter = adapterOf(backend);
  return ["lastbit train", ...words, ...(adapter === undefined ? [] : [`--adapter ${adapter}`]), "--out runs/lab"].join(" ");
}

/** The `config.toml` of the same run with the native program, on the same adapter as {@link commandLine}. */
export function toml(values: Values, backend?: LiveBackend): string {
  const lines = PROPERTIES.flatMap(({ key, format }) => {
    const text = values[key] ?? "";
    if (text === "") return [];
    // As JavaScript writes it, because people type numbers such as .9, which TOML does not allow.
    const number = String(Number(text));
    if (format.type === "number") return [`${key} = ${/[.e]/.test(number) ? number : `${number}.0`}`];
    if (format.type === "integer") return [`${key} = ${number}`];
    if (format.type === "flag") return [`${key} = ${text}`];
    if (format.type === "divisors") return [`${key} = [${text.split(",").join(", ")}]`];
    if (format.type === "rates") return [`${key} = [${text.split(",").map((rate) => `"${rate}"`).join(", ")}]`];
    return [`${key} = "${text}"`];
  });
  const adapter = adapterOf(backend);
  if (adapter !== undefined) lines.push(`adapter = "${adapter}"`);
  return `# Run it again: lastbit train --config config.toml --out FOLDER\n${lines.join("\n")}\n`;
}

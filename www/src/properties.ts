// The table of a run's properties, from which the controls, the address, the config and the command line are made. A value is
// text, except in the config. The keys are those of the native config.toml.
import type { LiveBackend } from "./backend";
import type { Config } from "./messages";

/** Values by key. */
export type Values = Record<string, string>;

/** How a property is parsed and shown. */
type Format =
  | { type: "choice"; options: readonly (readonly [value: string, label: string])[]; pattern?: RegExp }
  | { type: "number" | "integer"; min: number; max: number; exclusiveMin?: boolean; optional?: boolean }
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
  ["one-layer", "one layer"],
  ["resnet8", "ResNet-8"],
  ["resnet20", "ResNet-20"],
  ["resnet56", "ResNet-56"],
  ["preresnet20", "PreResNet-20"],
  ["vgg11", "VGG11"],
  ["vgg16", "VGG16"],
] as const;
const DATASETS = [
  ["synthetic", "made up"],
  ["fashion-mnist", "Fashion-MNIST"],
  ["cifar10", "CIFAR-10"],
] as const;
const ACTIVATIONS = [
  ["", "default"],
  ["relu", "ReLU"],
  ["swish", "Swish, beta 5"],
  ["swish:1", "Swish, beta 1"],
] as const;
const PERTURBATIONS = [
  ["divide", "divide by k"],
  ["reciprocal", "multiply by 1/k"],
  ["nextafter", "one weight, one ulp"],
] as const;

const number = (min: number, max: number, exclusiveMin = false): Format => ({ type: "number", min, max, exclusiveMin });
const integer = (min: number, max: number): Format => ({ type: "integer", min, max });
const optional = (min: number, max: number): Format => ({ type: "integer", min, max, optional: true });
const BIG = 2 ** 53 - 1;

/** All properties, in the order of `config.toml`. */
export const PROPERTIES: readonly Property[] = [
  { key: "net", label: "Network", format: { type: "choice", options: NETS, pattern: /^((pre)?resnet\d+|vgg13)$/ }, place: "main", native: "resnet56", page: "resnet8" },
  { key: "width", label: "Width", format: number(0.25, 8), place: "more", native: "1", page: "1", hint: "times the channels" },
  { key: "activation", label: "Activation", format: { type: "choice", options: ACTIVATIONS, pattern: /^swish:[\d.e+-]+$/ }, place: "main", native: "", page: "" },
  { key: "dataset", label: "Images", format: { type: "choice", options: DATASETS }, place: "main", native: "cifar10", page: "synthetic" },
  { key: "ks", label: "k", format: { type: "divisors" }, place: "main", native: "1,3,5,7,9,11", page: "1,3,2", hint: "1 to 63" },
  { key: "perturbation", label: "Perturbation", format: { type: "choice", options: PERTURBATIONS }, place: "more", native: "divide", page: "divide" },
  { key: "seed", label: "Seed", format: integer(0, BIG), place: "main", native: "1", page: "1" },
  { key: "seed-init", label: "Seed of the weights", format: optional(0, BIG), place: "hidden", native: "", page: "" },
  { key: "seed-order", label: "Seed of the order", format: optional(0, BIG), place: "hidden", native: "", page: "" },
  { key: "seed-augment", label: "Seed of the crops", format: optional(0, BIG), place: "hidden", native: "", page: "" },
  { key: "batch-size", label: "Batch size", format: integer(1, 65_536), place: "main", native: "128", page: "32" },
  { key: "lr", label: "Learning rate", format: number(0, 1e9, true), place: "main", native: "0.1", page: "0.1" },
  { key: "lr-changes", label: "Later learning rates", format: { type: "rates" }, place: "hidden", native: "", page: "" },
  { key: "momentum", label: "Momentum", format: number(0, 0.999_999), place: "main", native: "0.9", page: "0.9" },
  { key: "nesterov", label: "Nesterov's momentum", format: { type: "flag" }, place: "more", native: "true", page: "true" },
  { key: "weight-decay", label: "Weight decay", format: number(0, 1e9), place: "main", native: "0.0005", page: "0.0005" },
  { key: "epochs", label: "Epochs", format: integer(1, 2 ** 32 - 1), place: "more", native: "200", page: "200" },
  { key: "steps", label: "Steps", format: optional(1, BIG), place: "more", native: "", page: "", hint: "empty: by epochs" },
  { key: "decay-every", label: "Epochs between decays", format: integer(0, 2 ** 32 - 1), place: "more", native: "40", page: "0", hint: "of the learning rate; 0: never" },
  { key: "decay-factor", label: "Decay factor", format: number(0, 1, true), place: "more", native: "0.1", page: "0.1" },
  { key: "eval-every", label: "Epochs between tests", format: integer(0, 2 ** 32 - 1), place: "more", native: "1", page: "1", hint: "0: at the end only" },
  { key: "log-every", label: "Steps between layers", format: optional(1, BIG), place: "more", native: "", page: "", hint: "empty: dense at the start" },
  { key: "augment", label: "Random crop and flip", format: { type: "flag" }, place: "more", native: "true", page: "true" },
  { key: "shuffle", label: "Random order", format: { type: "flag" }, place: "more", native: "true", page: "true" },
  { key: "train-limit", label: "Training images", format: optional(1, BIG), place: "more", native: "", page: "1024", hint: "empty: all" },
  { key: "test-limit", label: "Test images", format: optional(1, BIG), place: "more", native: "", page: "64", hint: "empty: all" },
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
const NOT_IN_FLOAT32 = "float32 cannot hold: use numbers from 1.2e-38 to 3.4e38";

function isInFloat32(value: number): boolean {
  const rounded = Math.abs(Math.fround(value));
  return value === 0 || (rounded >= FLOAT32.least && rounded <= FLOAT32.most);
}

/** True for a number that is above 0 and that float32 can hold. */
export function isPositive(text: string): boolean {
  return Number(text) > 0 && isInFloat32(Number(text));
}

/** What is wrong with a value, as text that follows its name; `undefined` for a valid value. */
export function validate({ format }: Property, text: string): string | undefined {
  switch (format.type) {
    case "choice":
      if (text.startsWith("swish:") && format.pattern?.test(text) === true && !isPositive(text.slice(6))) return `has a beta that ${NOT_IN_FLOAT32}`;
      return format.options.some(([value]) => value === text) || format.pattern?.test(text) === true
        ? undefined
        : `must be one of ${format.options.map(([value]) => value || "(empty)").join(", ")}`;
    case "flag":
      return text === "true" || text === "false" ? undefined : "must be true or false";
    case "divisors":
      return /^\d+(,\d+)*$/.test(text) && text.split(",").every((k) => Number(k) >= 1 && Number(k) <= 63)
        ? undefined
        : "must be a list of numbers from 1 to 63, such as 1,3,2";
    case "rates":
      if (text === "") return undefined;
      if (!/^\d+:[\d.e+-]+(,\d+:[\d.e+-]+)*$/.test(text)) return "must be a list such as 20:0.01,40:0.1";
      return text.split(",").every((rate) => isPositive(rate.split(":")[1] ?? "")) ? undefined : `has a rate that ${NOT_IN_FLOAT32}`;
    case "flip-bit":
      // The value goes into a command line that people copy.
      return text === "" || /^[\w.]+:\d+:\d+:\d+$/.test(text) ? undefined : "must be TENSOR:INDEX:STEP:REPLICA";
    case "number":
    case "integer": {
      if (text === "" && format.optional === true) return undefined;
      const value = Number(text);
      const whole = format.type === "number" || Number.isInteger(value);
      const low = format.exclusiveMin === true ? value > format.min : value >= format.min;
      if (text.trim() !== "" && whole && low && value <= format.max) {
        return format.type === "integer" || isInFloat32(value) ? undefined : `is a number that ${NOT_IN_FLOAT32}`;
      }
      const from = format.exclusiveMin === true ? `above ${format.min}` : `at least ${format.min}`;
      return `must be a ${format.type === "integer" ? "whole " : ""}number ${from}${format.max <= 1e9 ? ` and at most ${format.max}` : ""}`;
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
    const wrong = known === undefined ? "is not known" : validate(known, text);
    if (wrong === undefined) values[key] = text;
    else problems.push(`${key} ${wrong}`);
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

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
  | { type: "divisors" | "flag" | "rates" | "perturbations" | "distances" | "flip-bit" };

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
  ["wrn16-4", "WideResNet-16-4"],
  ["vgg11", "VGG11"],
  ["vgg16", "VGG16"],
  ["mlp2", t("MLP, 2 hidden layers")],
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
  ["tanh", "tanh"],
] as const;
const NORMS = [
  ["batch", t("batch norm")],
  ["group", t("group norm")],
  ["none", t("none, biases")],
] as const;
const LOSSES = [
  ["cross-entropy", t("cross-entropy")],
  ["mse", t("squared error")],
] as const;
const PERTURBATIONS = [
  ["divide", t("divide by k")],
  ["reciprocal", t("multiply by 1/k")],
  ["nextafter", t("one weight, one ulp")],
] as const;

const SCHEDULES = [
  ["step", t("step decay")],
  ["cosine", t("cosine")],
  ["linear", t("linear")],
] as const;

const OPTIMIZERS = [
  ["sgd", "SGD"],
  ["adamw", "AdamW"],
] as const;

const number = (min: number, max: number, exclusiveMin = false): Format => ({ type: "number", min, max, exclusiveMin });
const integer = (min: number, max: number): Format => ({ type: "integer", min, max });
const optional = (min: number, max: number): Format => ({ type: "integer", min, max, optional: true });
const BIG = 2 ** 53 - 1;

/** All properties, in the order of `config.toml`. */
export const PROPERTIES: readonly Property[] = [
  { key: "net", label: t("Network"), format: { type: "choice", options: NETS, pattern: /^((pre)?resnet\d+|vgg13|mlp[1-8]|wrn\d+-\d+)$/ }, place: "main", native: "resnet56", page: "resnet8" },
  { key: "width", label: t("Width"), format: number(0.25, 8), place: "more", native: "1", page: "1", hint: t("times the channels or units") },
  { key: "activation", label: t("Activation"), format: { type: "choice", options: ACTIVATIONS, pattern: /^swish:[\d.e+-]+$/ }, place: "main", native: "", page: "" },
  { key: "norm", label: t("Norm"), format: { type: "choice", options: NORMS }, place: "more", native: "batch", page: "batch" },
  { key: "loss", label: t("Loss"), format: { type: "choice", options: LOSSES }, place: "more", native: "cross-entropy", page: "cross-entropy" },
  { key: "dataset", label: t("Images"), format: { type: "choice", options: DATASETS }, place: "main", native: "cifar10", page: "synthetic" },
  { key: "ks", label: "k", format: { type: "divisors" }, place: "main", native: "1,3,5,7,9,11", page: "1,3,2", hint: t("1 to 63") },
  { key: "perturbation", label: t("Perturbation"), format: { type: "choice", options: PERTURBATIONS }, place: "more", native: "divide", page: "divide" },
  { key: "perturb", label: t("Perturbations of weights"), format: { type: "perturbations" }, place: "more", native: "", page: "", hint: t("one for each copy, such as none,100:ulp:1") },
  { key: "seed", label: t("Seed"), format: integer(0, BIG), place: "main", native: "1", page: "1" },
  { key: "seed-init", label: "Seed of the weights", format: optional(0, BIG), place: "hidden", native: "", page: "" },
  { key: "seed-order", label: "Seed of the order", format: optional(0, BIG), place: "hidden", native: "", page: "" },
  { key: "seed-augment", label: "Seed of the crops", format: optional(0, BIG), place: "hidden", native: "", page: "" },
  { key: "batch-size", label: t("Batch size"), format: integer(1, 65_536), place: "main", native: "128", page: "32" },
  { key: "lr", label: t("Learning rate"), format: number(0, 1e9, true), place: "main", native: "0.1", page: "0.1" },
  { key: "lr-changes", label: "Later learning rates", format: { type: "rates" }, place: "hidden", native: "", page: "" },
  { key: "schedule", label: t("Learning-rate schedule"), format: { type: "choice", options: SCHEDULES }, place: "more", native: "step", page: "step", hint: t("cosine and linear: to 0 at the end of the run") },
  { key: "warmup", label: t("Warm-up steps"), format: integer(0, BIG), place: "more", native: "0", page: "0", hint: t("the learning rate rises to its value") },
  { key: "optimizer", label: t("Optimiser"), format: { type: "choice", options: OPTIMIZERS }, place: "more", native: "sgd", page: "sgd" },
  { key: "momentum", label: t("Momentum"), format: number(0, 0.999_999), place: "main", native: "0.9", page: "0.9" },
  { key: "nesterov", label: t("Nesterov's momentum"), format: { type: "flag" }, place: "more", native: "true", page: "true" },
  { key: "beta1", label: "Beta 1", format: number(0, 0.999_999_999), place: "more", native: "0.9", page: "0.9", hint: t("of AdamW") },
  { key: "beta2", label: "Beta 2", format: number(0, 0.999_999_999), place: "more", native: "0.999", page: "0.999", hint: t("of AdamW") },
  { key: "epsilon", label: "Epsilon", format: number(0, 1e9, true), place: "more", native: "1e-8", page: "1e-8", hint: t("of AdamW") },
  { key: "weight-decay", label: t("Weight decay"), format: number(0, 1e9), place: "main", native: "0.0005", page: "0.0005" },
  { key: "epochs", label: t("Epochs"), format: integer(1, 2 ** 32 - 1), place: "more", native: "200", page: "200" },
  { key: "steps", label: t("Steps"), format: optional(1, BIG), place: "more", native: "", page: "", hint: t("empty: by epochs") },
  { key: "decay-every", label: t("Epochs between decays"), format: integer(0, 2 ** 32 - 1), place: "more", native: "40", page: "0", hint: t("of the learning rate; 0: never") },
  { key: "decay-factor", label: t("Decay factor"), format: number(0, 1, true), place: "more", native: "0.1", page: "0.1" },
  { key: "eval-every", label: t("Epochs between tests"), format: integer(0, 2 ** 32 - 1), place: "more", native: "1", page: "1", hint: t("0: at the end only") },
  { key: "log-every", label: t("Steps between layers"), format: optional(1, BIG), place: "more", native: "", page: "", hint: t("empty: dense at the start") },
  { key: "sharpness", label: t("Steps between curvatures"), format: optional(1, BIG), place: "more", native: "", page: "", hint: t("empty: not measured") },
  { key: "sharpness-images", label: t("Images for the curvature"), format: optional(1, BIG), place: "more", native: "", page: "", hint: t("empty: up to 1024") },
  { key: "lyapunov", label: "Steps between returns to a distance", format: optional(1, BIG), place: "hidden", native: "", page: "" },
  { key: "lyapunov-distances", label: "Distances of the copies", format: { type: "distances" }, place: "hidden", native: "", page: "" },
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

/** The property called `key`, if there is one. */
export const findProperty = (key: string): Property | undefined => byKey.get(key);

/** The property called `key`. */
export function property(key: string): Property {
  const found = findProperty(key);
  if (found === undefined) throw new Error(`no property ${key}`);
  return found;
}

/** The page's defaults, with some of them replaced. */
export function defaults(replaced: Values = {}): Values {
  return { ...Object.fromEntries(PROPERTIES.map(({ key, page }) => [key, page])), ...replaced };
}

/** What has no meaning, and is refused by the core, while a property has a value. */
const UNUSED: Readonly<Record<string, (text: string) => readonly string[]>> = {
  "sharpness": (text) => (text === "" ? ["sharpness-images"] : []),
  "optimizer": (text) => (text === "adamw" ? ["momentum"] : ["beta1", "beta2", "epsilon"]),
  "schedule": (text) => (text === "step" ? [] : ["decay-every", "decay-factor"]),
};

/** `values` with another value of `key`. What this leaves without a meaning gets its default. */
export function changed(values: Values, key: string, text: string): Values {
  const unused = UNUSED[key]?.(text) ?? [];
  return { ...values, ...Object.fromEntries(unused.map((other) => [other, property(other).page])), [key]: text };
}

/** The config that core reads. All values must be valid. It does not contain `flip-bit`, which is a command. */
export function config(values: Values): Config {
  const entries = PROPERTIES.filter(({ key }) => key !== "flip-bit").flatMap(({ key, format }): [string, Config[string]][] => {
    const text = values[key] ?? "";
    if (text === "") return [];
    if (format.type === "number" || format.type === "integer") return [[key, Number(text)]];
    if (format.type === "flag") return [[key, text === "true"]];
    if (format.type === "divisors" || format.type === "distances") return [[key, text.split(",").map(Number)]];
    if (format.type === "rates" || format.type === "perturbations") return [[key, text.split(",")]];
    return [[key, text]];
  });
  return Object.fromEntries(entries);
}

/**
 * The query of an address that is this run on every device: what differs from the defaults, and what the lab would choose otherwise on
 * some device for this network.
 */
export function toQuery(values: Values): Values {
  const bases = [{}, preset(values["net"] ?? "", false), preset(values["net"] ?? "", true)].map(defaults);
  const named = PROPERTIES.filter(({ key }) => bases.some((base) => (values[key] ?? "") !== base[key]));
  return Object.fromEntries(named.map(({ key }) => [key, values[key] ?? ""]));
}

/** The native program's adapter whose bits `backend` has: the page's processor computes in the class separate. WebGPU leaves the choice to the program. */
export const adapterOf = (backend: LiveBackend | undefined): string | undefined => (backend === "processor" ? "processor:separate" : undefined);

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

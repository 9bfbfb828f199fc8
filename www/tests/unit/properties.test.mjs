import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { smoothRun } = await load("run/smooth.ts");
const { changed, commandLine, config, defaults, preset, PROPERTIES, property, toQuery } = await load("properties.ts");
const { fromQuery, isPositive, validate } = await load("validate.ts");
const { toml } = await load("lab/toml.ts");
const { flipText, parseFlip } = await load("lab/flip.ts");

const problems = (query) => fromQuery(new URLSearchParams(query), defaults()).problems.join("; ");

test("the page's defaults and presets are valid", () => {
  for (const net of ["one-layer", "resnet8", "resnet56", "vgg16"]) {
    for (const software of [false, true]) {
      const values = defaults(preset(net, software));
      for (const each of PROPERTIES) assert.equal(validate(each, values[each.key]), undefined, `${each.key} of ${net}`);
    }
  }
  assert.ok(Number(preset("resnet8", true).width) < 1, "smaller on a software adapter");
});

test("values are checked, and messages begin with the name of the property", () => {
  const valid = { net: ["resnet32", "preresnet14", "vgg13"], activation: ["", "swish:2.5"], ks: ["1", "1,3,2"], steps: ["", "7"], lr: ["1e-5"], nesterov: ["false"], "lr-changes": ["", "2:0.1,5:.01"], perturb: ["", "none", "none,100:ulp:1,3:gaussian:1e-3:conv1.weight:7"], "flip-bit": ["", "conv1.weight:0:5:2"] };
  for (const [key, texts] of Object.entries(valid)) for (const text of texts) assert.equal(validate(property(key), text), undefined, `${key}=${text}`);
  const invalid = {
    net: ["resnet", /^net must be one of one-layer, resnet8/],
    activation: ["swish:x", /^activation must be one of \(empty\), relu/],
    ks: ["1,64", /^ks must be a list of numbers from 1 to 63/],
    seed: ["none", /^seed must be a whole number at least 0$/],
    "batch-size": ["2.5", /^batch-size must be a whole number at least 1 and at most 65536$/],
    lr: ["0", /^lr must be a number above 0 and at most 1000000000$/],
    width: [" ", /^width must be a number at least 0.25 and at most 8$/],
    nesterov: ["yes", /^nesterov must be true or false$/],
    "lr-changes": ["5", /^lr-changes must be a list such as/],
    perturb: ["none,0:ulp:1", /^perturb must be a list of none or STEP:KIND:SIZE\[:TENSOR\]\[:SEED\], such as none,100:ulp:1$/],
    "flip-bit": ["a b:0:0:0", /^flip-bit must be TENSOR:INDEX:STEP:REPLICA$/],
  };
  for (const [key, [text, message]] of Object.entries(invalid)) assert.match(validate(property(key), text), message);
  assert.match(validate(property("lr"), "0", "Learning rate"), /^Learning rate must be a number above 0/);
});

test("an address keeps its valid values and reports the others", () => {
  const { values, problems } = fromQuery(new URLSearchParams("seed=none&nets=resnet8&lr=0.2"), defaults());
  assert.deepEqual([values.seed, values.lr], ["1", "0.2"]);
  assert.deepEqual(problems, ["seed must be a whole number at least 0", "nets is not known"]);
});

test("numbers that float32 cannot hold are refused: they would become 0 or infinite", () => {
  const message = problems("lr=1e-50&weight-decay=1e-50&activation=swish:1e39&lr-changes=2:1e-50&momentum=0");
  assert.match(message, /^lr is a number that float32 cannot hold.*weight-decay is.*activation has a beta.*lr-changes has a rate that float32 cannot hold(?!.*momentum)/);
  assert.deepEqual(["1e-38", "1.2e-38", "3.4e38", "3.5e38", "0", "-1", "x"].map(isPositive), [false, true, true, false, false, false, false]);
});

test("the query of an address holds what differs from the defaults or by device, and gives the same values again everywhere", () => {
  assert.deepEqual(toQuery(defaults()), { width: "1", "batch-size": "32", "train-limit": "1024" });
  for (const run of [defaults(), smoothRun(0.8, 1000), defaults({ net: "one-layer", ...preset("one-layer", true) }), defaults({ net: "vgg11", ...preset("vgg11", true) })]) {
    const query = new URLSearchParams(toQuery(run));
    for (const isSlow of [false, true]) assert.deepEqual(fromQuery(query, defaults(preset(run.net, isSlow))).values, run);
  }
  const values = defaults({ seed: "7", ks: "1,3", "train-limit": "" });
  const query = toQuery(values);
  assert.deepEqual(query, { width: "1", ks: "1,3", seed: "7", "batch-size": "32", "train-limit": "" });
  assert.deepEqual(fromQuery(new URLSearchParams(query), defaults()).values, values);
});

test("the config has JSON's types and no flipped bit", () => {
  const of = config(defaults({ "lr-changes": "5:0.01,9:0.1", "flip-bit": "conv1.weight:0:5:2" }));
  assert.deepEqual([of.net, of.ks, of.lr, of["batch-size"], of.nesterov, of["lr-changes"]], ["resnet8", [1, 3, 2], 0.1, 32, true, ["5:0.01", "9:0.1"]]);
  assert.ok(!("flip-bit" in of) && !("steps" in of) && !("activation" in of), "neither a command nor empty values");
});

test("the command line has what differs from the native defaults", () => {
  const native = Object.fromEntries(PROPERTIES.map(({ key, native }) => [key, native]));
  assert.equal(commandLine(native), "lastbit train --out runs/lab");
  const values = { ...native, net: "resnet8", nesterov: "false", augment: "false", steps: "12", "lr-changes": "5:0.01" };
  assert.equal(commandLine(values), "lastbit train --net resnet8 --lr-changes 5:0.01 --nesterov=false --steps 12 --no-augment --out runs/lab");
});

test("perturbations are typed in the form, and go into config, command and address", () => {
  assert.equal(property("perturb").place, "more");
  const values = defaults({ ks: "1,1", perturb: "none,100:ulp:1" });
  assert.deepEqual(config(values).perturb, ["none", "100:ulp:1"]);
  assert.match(commandLine(values), / --perturb none,100:ulp:1 /);
  assert.ok(toml(values).includes('\nperturb = ["none", "100:ulp:1"]\n'));
  assert.equal(toQuery(values).perturb, "none,100:ulp:1");
});

test("config.toml has TOML's types", () => {
  const lines = toml(defaults({ lr: "1", momentum: ".9", "weight-decay": "1e-7", "lr-changes": "5:0.01", "flip-bit": "a:0:5:2" })).split("\n");
  for (const line of ['net = "resnet8"', "ks = [1, 3, 2]", "seed = 1", "lr = 1.0", "momentum = 0.9", "weight-decay = 1e-7", 'lr-changes = ["5:0.01"]', "nesterov = true", 'flip-bit = "a:0:5:2"']) {
    assert.ok(lines.includes(line), line);
  }
  assert.ok(!lines.some((line) => line.startsWith("steps")), "no empty value");
});

test("a run on the processor names its adapter, in command and config: another class has other bits", () => {
  const named = (backend) => [commandLine(defaults(), backend).includes("--adapter processor:separate"), toml(defaults(), backend).includes('\nadapter = "processor:separate"\n')];
  assert.deepEqual([named("processor"), named("webgpu")], [[true, true], [false, false]]);
});

test("a flipped bit is written as it is read", () => {
  const text = "layer1.0.conv1.weight:3:5:2";
  const flip = parseFlip(text);
  assert.deepEqual(flip, { tensor: "layer1.0.conv1.weight", index: 3, step: 5, replica: 2 });
  assert.equal(flipText(flip, flip.step), text);
  assert.equal(parseFlip("conv1.weight:0:5"), undefined);
});

test("a change gives what it leaves without a meaning its default, and keeps the rest", () => {
  const values = defaults({ "sharpness": "10", "sharpness-images": "16", "optimizer": "adamw", "beta1": "0.8", "epsilon": "1e-6", "decay-every": "3" });
  const of = (changes, ...keys) => keys.map((key) => changes[key]);
  assert.deepEqual(of(changed(values, "sharpness", ""), "sharpness", "sharpness-images", "beta1"), ["", "", "0.8"]);
  assert.deepEqual(of(changed(values, "sharpness", "5"), "sharpness", "sharpness-images"), ["5", "16"]);
  assert.deepEqual(of(changed(values, "optimizer", "sgd"), "optimizer", "beta1", "beta2", "epsilon", "momentum"), ["sgd", "0.9", "0.999", "1e-8", "0.9"]);
  assert.deepEqual(of(changed(defaults({ momentum: "0.5" }), "optimizer", "adamw"), "optimizer", "momentum"), ["adamw", "0.9"]);
  assert.deepEqual(of(changed(values, "schedule", "cosine"), "schedule", "decay-every", "decay-factor"), ["cosine", "0", "0.1"]);
  assert.deepEqual(changed(values, "lr", "0.2"), { ...values, lr: "0.2" });
});

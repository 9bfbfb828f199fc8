// The addresses of figures that stand alone.
import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { inLanguageOf, pageOf, runOf, settingsOf } = await load("embed/address.ts");
const { defaults, preset } = await load("properties.ts");
const { smoothRun } = await load("run/smooth.ts");

test("the settings of a figure are those of the lab, beside the figure's name and the backend", () => {
  assert.equal(String(settingsOf("?figure=bits&backend=processor&lr=0.1&seed=2&webgpu=off")), "lr=0.1&seed=2");
});

test("the language in the address of a figure is no setting, and goes along to the page", () => {
  assert.equal(String(settingsOf("?lang=de&figure=heat&dt=0.5")), "dt=0.5");
  assert.equal(inLanguageOf("?figure=heat&lang=de", "./"), "./?lang=de");
  assert.equal(inLanguageOf("?figure=heat&lang=de", "./#/pde/heat?dt=0.5"), "./?lang=de#/pde/heat?dt=0.5");
  assert.equal(inLanguageOf("?figure=heat", "./#/pde/heat"), "./#/pde/heat");
});

test("without settings a figure shows the run of the first view, and leads there", () => {
  const settings = settingsOf("?figure=parting");
  const { values, problems } = runOf(settings, true);
  assert.deepEqual([values, problems], [smoothRun(0.8, 1000), []]);
  assert.equal(pageOf(settings, values), "./");
});

test("with settings it shows the run that the lab opens for them, and leads there", () => {
  const settings = settingsOf("?figure=parting&lr=0.2&seed=2");
  for (const isSlow of [true, false]) {
    const { values, problems } = runOf(settings, isSlow);
    assert.deepEqual([values, problems], [{ ...defaults(preset(defaults().net, isSlow)), lr: "0.2", seed: "2" }, []]);
    assert.match(pageOf(settings, values), /^\.\/#\/lab\?.*lr=0\.2/);
  }
  const layer = runOf(settingsOf("?net=one-layer"), false).values;
  assert.equal(layer["batch-size"], preset("one-layer", false)["batch-size"]);
});

test("what does not fit is named, and the default is used in its place", () => {
  const { values, problems } = runOf(settingsOf("?figure=parting&lr=-1&colour=red&seed=3"), false);
  assert.equal(values.lr, defaults().lr);
  assert.equal(values.seed, "3");
  assert.equal(problems.length, 2);
  assert.match(problems.join(), /lr must be .*colour is not known/);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { load } from "./load.mjs";

const { compose, settingsOf } = await load("lab/picture.ts");
const { defaults } = await load("properties.ts");
const { RunRecord } = await load("run/record.ts");

const UNIT = 16;
/** Every letter is half as wide as it is high. */
const measure = (text, { size }) => text.length * size * UNIT * 0.5;
const AXIS = "relative L1 of the weights";
const LINK = `https://host.example/lastbit/#/lab?${"key=value&".repeat(20)}`;

/** The edges of a text that is not rotated. */
function edges({ text, left, baseline, font, isCentred }) {
  const width = measure(text, font);
  const from = isCentred ? left - width / 2 : left;
  return { left: from, right: from + width, top: baseline - font.size * UNIT * 0.8, bottom: baseline + font.size * UNIT * 0.2 };
}

test("a picture has its title, names of axes, legend, settings and link, wherever they wrap", () => {
  const curves = Array.from({ length: 9 }, (_, i) => ({ label: `k = ${2 * i + 3}`, colour: "c0", values: new Float64Array() }));
  const settings = settingsOf(defaults({ "ks": "1,3", "lr-changes": "20:0.01,40:0.5" }), undefined, { adapter: { name: "SwiftShader" } });
  const content = { title: "Distance from the first copy", x: "step", y: AXIS, curves, settings, link: LINK };
  for (const plot of [{ width: 340, height: 208 }, { width: 1000, height: 272 }]) {
    const { width, height, texts, swatches, plot: at } = compose(content, plot, measure, UNIT);
    const written = texts.map(({ text }) => text);
    for (const text of ["Distance from the first copy", "step", AXIS, ...curves.map(({ label }) => label)]) assert.ok(written.includes(text), text);
    assert.equal(swatches.length, curves.length);
    assert.ok(written.join("").endsWith(LINK), "the link is whole");
    assert.match(written.join(" "), /learning rate 0\.1, 0\.01 from step 20, 0\.5 from step 40/);
    assert.match(written.join(" "), /SwiftShader/);
    const inPlot = { left: at.left, right: at.left + plot.width, top: at.top, bottom: at.top + plot.height - 1 };
    const boxes = [inPlot, ...texts.filter(({ isRotated }) => !isRotated).map(edges)];
    for (const a of boxes) {
      assert.ok(a.left >= 0 && a.right <= width && a.top >= 0 && a.bottom <= height, JSON.stringify(a));
      for (const b of boxes) assert.ok(a === b || a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top, JSON.stringify([a, b]));
    }
    const rotated = texts.find(({ isRotated }) => isRotated);
    assert.equal(rotated !== undefined, measure(AXIS, { size: 0.85 }) <= plot.height, "a long name is not rotated");
    if (rotated !== undefined) assert.ok(rotated.left <= at.left && rotated.left - rotated.font.size * UNIT >= 0, "beside the plot");
  }
});

test("the settings of a run are written in words", () => {
  const record = new RunRecord({ ks: [1, 3, 2], controls: [2], tensors: [] });
  const texts = settingsOf(defaults({ "net": "resnet20", "width": "0.5" }), record, undefined);
  assert.deepEqual(texts, ["ResNet-20 of width 0.5", "images: made up", "k = 1, 3, 2", "seed 1", "batch size 32", "learning rate 0.1", "momentum 0.9", "0 steps"]);
  const adapterOf = (adapter) => settingsOf(defaults(), record, { adapter }).at(-1);
  assert.equal(adapterOf({ name: "SwiftShader", backend: "webgpu" }), "SwiftShader");
  assert.equal(adapterOf({ name: "your processor", backend: "processor" }), "processor, WebAssembly simd128", "a picture is shown to others");
});

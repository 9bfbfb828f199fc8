// The script of the native program's reports: what its sliders announce.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { runInNewContext } from "node:vm";

const script = await readFile(new URL("../../../native/src/plot/chart.js", import.meta.url), "utf8");

/** As much of an element as the script uses. `found` are other elements by selector. */
function element(found = {}, rest = {}) {
  const attributes = {};
  const listeners = {};
  return {
    attributes, style: {}, dataset: {}, textContent: "",
    classList: { contains: (name) => name === rest.class },
    setAttribute: (name, value) => (attributes[name] = value),
    addEventListener: (kind, listener) => (listeners[kind] = listener),
    press: (key) => listeners.keydown({ key, preventDefault: () => undefined }),
    querySelector: (selector) => found[selector] ?? null,
    querySelectorAll: (selector) => (found[selector] === undefined ? [] : [found[selector]].flat()),
    ...rest,
  };
}

test("the slider of a map announces the column that an arrow leads to", () => {
  const hit = element();
  const cursor = element();
  const plot = element({ ".hit": hit, ".cursor": cursor }, { dataset: { steps: "1 2 5", layers: "a b" } });
  const svg = element({}, { createSVGPoint: () => ({ x: 0, y: 0 }) });
  const paths = [0, 1, 2].map((column) => element({}, { dataset: { v: `value ${column}` }, isPointInFill: ({ x }) => Math.floor(x) === column }));
  const caption = element({}, { textContent: "Distance by layer" });
  const figure = element({ output: element(), ".plot": plot, svg, path: paths, ".cursor": cursor, "figcaption b": caption }, { class: "map" });
  runInNewContext(script, { document: { querySelectorAll: () => [figure] } });
  const announced = () => [hit.attributes["aria-valuenow"], hit.attributes["aria-valuetext"]];
  hit.press("ArrowRight");
  assert.deepEqual(announced(), [1, "step 2, a: value 1"]);
  hit.press("ArrowRight");
  hit.press("ArrowRight");
  assert.deepEqual(announced(), [2, "step 5, a: value 2"], "no further than the last");
  hit.press("ArrowLeft");
  hit.press("ArrowDown");
  assert.deepEqual(announced(), [1, "step 2, b: value 1"]);
});

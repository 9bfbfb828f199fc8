// Canvases on screens with other pixels: text and dashes keep their size, and a canvas has the pixels of its frame.
import assert from "node:assert/strict";
import { test } from "node:test";

import { fakeEngine } from "./fake_engine.mjs";
import { openSite } from "./site.mjs";

/** Smallest and largest size of text in canvases, in CSS pixels, at the default size of type. */
const [SMALLEST, LARGEST] = [11, 14];
const RATIOS = [1, 2, 3, 1.5];
/** Views with plots, a map and a drawing, and the number of their canvases that have the pixels of the screen, and the dashes of their curves. */
const VIEWS = [
  ["#/lab?ks=1,3,2", [fakeEngine, { steps: 40 }], 3, ["6,4"]],
  ["#/pde/heat", undefined, 2, ["6,4"]],
];

/** Runs in the page before its scripts: records the sizes of texts as they are drawn, in CSS pixels, by canvas. */
function watchText() {
  const drawn = new Map();
  const { fillText } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.fillText = function (...given) {
    const size = (Number.parseFloat(this.font) * this.getTransform().a) / devicePixelRatio;
    const before = drawn.get(this.canvas);
    drawn.set(this.canvas, { ratio: devicePixelRatio, sizes: [...(before?.ratio === devicePixelRatio ? before.sizes : []), size] });
    return fillText.apply(this, given);
  };
  const { setLineDash } = CanvasRenderingContext2D.prototype;
  /** Lengths of dashes in CSS pixels, by ratio. */
  window.dashes = {};
  CanvasRenderingContext2D.prototype.setLineDash = function (lengths) {
    if (lengths.length > 0) (window.dashes[devicePixelRatio] ??= []).push(lengths.map((length) => length / devicePixelRatio).join());
    return setLineDash.call(this, lengths);
  };
  /** The sizes by canvas on screen, of canvases that have been drawn with `ratio` pixels for each CSS pixel. */
  window.sizesAt = (ratio) =>
    [...document.querySelectorAll(".plot-frame canvas")]
      .filter((canvas) => drawn.get(canvas)?.ratio === ratio && canvas.width === Math.round(canvas.clientWidth * ratio))
      .map((canvas) => drawn.get(canvas).sizes);
}

const site = await openSite();

for (const [address, engine, canvases, dashes] of VIEWS) {
  test(`text and dashes in canvases have their size on every screen, also after a move to another one: ${address}`, async () => {
    await site.visit(address, async (_, page) => {
      const session = await page.context().newCDPSession(page);
      for (const [i, ratio] of RATIOS.entries()) {
        // The emulation reports another ratio to media queries only if the width changes, too.
        await session.send("Emulation.setDeviceMetricsOverride", { width: 1280 + i, height: 900, deviceScaleFactor: ratio, mobile: false });
        const all = await page.waitForFunction(([ratio, n, dashes]) => {
          const sizes = window.sizesAt(ratio);
          // uPlot draws the plot for the former screen once more before the page makes another.
          return sizes.length >= n && dashes.every((lengths) => window.dashes[ratio]?.includes(lengths)) && sizes;
        }, [ratio, canvases, dashes]);
        for (const sizes of await all.jsonValue()) {
          for (const size of sizes) assert.ok(size >= SMALLEST && size <= LARGEST, `${size} px at ratio ${ratio}`);
        }
      }
    }, { script: [watchText], scripts: engine === undefined ? [] : [engine] });
  });
}

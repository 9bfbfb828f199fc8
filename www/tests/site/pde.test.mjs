// The equations: each crosses its stability edge and agrees with theory.
import assert from "node:assert/strict";
import { test } from "node:test";

import { openSite } from "./site.mjs";

/** Moves a slider. */
async function slide(shown, id, value) {
  await shown.get(id).fill(String(value));
}

const real = (text) => Number(text.replace("−", "-"));

const site = await openSite();

test("heat: below the edge the rod cools, beyond it the zigzag grows by the factor of theory", async () => {
  await site.visit("#/pde/heat?dt=0.4", async (shown, page) => {
    await shown.until("heat-step", (text) => Number(text) >= 60);
    assert.equal(await shown.text("heat-verdict"), "stable");
    assert.ok((await shown.number("heat-max")) < 1.5, "cooler than at the start");
    assert.equal(await shown.text("heat-edge"), "0.50137");
    await slide(shown, "heat-dt", 0.6);
    await shown.until("heat-verdict", "unstable");
    await page.waitForFunction(() => location.hash.includes("dt=0.6"));
    await shown.until("heat-step", "120");
    // The tent contains 0.0033 of the zigzag; 120 steps of -1.3934 make it 6e14.
    assert.equal(await shown.text("heat-factor"), "−1.3934");
    const grown = await shown.number("heat-max");
    const predicted = 0.00334248 * 1.39343 ** 120;
    assert.ok(grown > 0.8 * predicted && grown < 1.2 * predicted, `${grown} for ${predicted}`);
  });
});

test("linear: on both sides of the border the weights follow theory", async () => {
  await site.visit("#/pde/linear", async (shown, page) => {
    await page.getByText("What the letters mean").click();
    await page.locator('[data-testid="terms"] dt').getByText("β").waitFor({ state: "visible" });
    const terms = await page.locator('[data-testid="terms"] dt').allTextContents();
    for (const term of ["w", "a", "β", "G", "Units"]) assert.ok(terms.includes(term), `${term} is explained`);
    /** Waits until the factor of theory fits and the measured factor agrees with it. */
    const measured = async (verdict, fits) => {
      const theory = real(await shown.until("linear-theory", (text) => fits(real(text)), String(fits)));
      assert.equal(await shown.text("linear-verdict"), verdict);
      const close = (text) => Math.abs(Number(text) - Math.abs(theory)) < 0.02;
      await shown.until("linear-measured", close, `close to ${theory}`);
    };
    await measured("stable", (factor) => Math.abs(factor) < 1);
    const atStart = real(await shown.text("linear-theory"));
    const atBorder = Number(await shown.get("linear-alpha").inputValue());
    await slide(shown, "linear-alpha", atBorder + 1.2);
    // Too long a step: the fastest mode alternates.
    await measured("unstable", (factor) => factor < -1);
    await slide(shown, "linear-alpha", Number(await shown.get("linear-alpha").getAttribute("min")));
    // Too little weight decay: the mode grows without alternating.
    await measured("unstable", (factor) => factor > 1);
    await shown.get("regime-2").check();
    await shown.until("linear-verdict", "stable");
    await shown.click("linear-reset");
    await shown.get("regime-1").check();
    await measured("stable", (factor) => factor === atStart);
    // The point is dragged across the border.
    const plane = await shown.get("plane").boundingBox();
    await shown.page.mouse.move(plane.x + plane.width / 2, plane.y + plane.height / 2);
    await shown.page.mouse.down();
    await shown.page.mouse.move(plane.x + plane.width * 0.9, plane.y + plane.height * 0.2, { steps: 4 });
    await shown.page.mouse.up();
    await shown.until("linear-verdict", "unstable");
  });
});

test("nonlinear: settles, hops, wanders with k = 3 apart, blows up", async () => {
  await site.visit("#/pde/nonlinear?dt=0.02", async (shown, page) => {
    const kind = (wanted) => page.waitForSelector(`[data-testid="nonlinear-verdict"][data-kind="${wanted}"]`);
    await kind("period-1");
    assert.match(await shown.text("nonlinear-verdict"), /0\.29\d\d.*0\.0322\d/);
    await slide(shown, "nonlinear-dt", 0.04);
    await kind("period-2");
    await slide(shown, "nonlinear-dt", 0.07);
    await kind("chaos");
    await shown.untilNumber("nonlinear-apart", (distance) => distance > 0.1);
    await slide(shown, "nonlinear-dt", 0.13);
    await kind("blows-up");
    await shown.until("nonlinear-apart", "–");
    // After a blow-up, moving the slider restarts the run.
    await slide(shown, "nonlinear-dt", 0.02);
    await kind("period-1");
    await shown.untilNumber("nonlinear-apart", (distance) => distance < 1e-5);
  });
});

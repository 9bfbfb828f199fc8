// Colours of a heatmap: lightness in equal steps of OKLab. Low values are close to the background, as in a native report
// (native/src/plot/palette.rs).
import { theme } from "../style/theme";

const LEVELS = 64;

/** Colours from low to high values, for the current theme. */
export function palette(): string[] {
  const dark = theme() === "dark";
  return Array.from({ length: LEVELS }, (_, level) => {
    const t = (dark ? level : LEVELS - 1 - level) / (LEVELS - 1);
    const chroma = 0.07 + 0.12 * Math.sin(Math.PI * t);
    return `oklch(${0.24 + 0.71 * t} ${chroma} ${-70 + 170 * t})`;
  });
}

/** The colour of `t` in 0 to 1. */
export function shade(colours: readonly string[], t: number): string {
  return colours[Math.min(Math.max(Math.floor(t * colours.length), 0), colours.length - 1)]!;
}

// A small plot drawn by hand, for data that are not curves against steps. It follows the screen's resolution and the theme.
import { cancelFrame, inNextFrame } from "../frame";
import { h } from "../dom";
import { canvasFont, colour, onTheme, rem } from "../style/theme";

/** Where to draw, in CSS pixels. */
export interface Surface {
  ctx: CanvasRenderingContext2D;
  width: number;
  height: number;
  colour: (token: string) => string;
  /** Pixels of one rem. */
  rem: number;
}

/** A canvas in a figure, redrawn when its size, the colours or the data change. */
export class Drawing {
  readonly canvas: HTMLCanvasElement;
  readonly element: HTMLElement;
  readonly frame: HTMLElement;
  private readonly resize: ResizeObserver;
  private readonly endTheme: () => void;
  private readonly draw = (): void => this.drawNow();

  constructor(
    title: string,
    description: string,
    height: number,
    private readonly paint: (surface: Surface) => void,
  ) {
    this.canvas = h("canvas", { role: "img", "aria-label": description });
    this.frame = h("div", { class: "plot-frame" }, this.canvas);
    this.frame.style.setProperty("--h", String(height));
    this.element = h("figure", { class: "plot" }, h("figcaption", {}, h("b", {}, title), h("span", { class: "note" })), this.frame);
    this.resize = new ResizeObserver(() => this.changed());
    this.resize.observe(this.frame);
    this.endTheme = onTheme(() => this.changed());
  }

  /** Requests a redraw in the next frame. */
  changed(): void {
    inNextFrame(this.draw);
  }

  /** Shows `text` beside the title. */
  note(text: string): void {
    const note = this.element.querySelector(".note");
    if (note && note.textContent !== text) note.textContent = text;
  }

  close(): void {
    cancelFrame(this.draw);
    this.resize.disconnect();
    this.endTheme();
  }

  private drawNow(): void {
    const { clientWidth: width, clientHeight: height } = this.frame;
    const scale = devicePixelRatio;
    const ctx = this.canvas.getContext("2d");
    if (ctx === null || width === 0) return;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    ctx.setTransform(scale, 0, 0, scale, 0, 0);
    ctx.clearRect(0, 0, width, height);
    this.paint({ ctx, width, height, colour, rem: rem() });
  }
}

/** The part of a surface in which values are drawn, in CSS pixels. */
export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** Draws grid lines with numbers at the ticks. `at` turns a value into pixels. */
export function drawAxes(
  { ctx, colour: token, rem: size }: Surface,
  box: Box,
  x: { ticks: number[]; at: (value: number) => number; text: (value: number) => string },
  y: { ticks: number[]; at: (value: number) => number; text: (value: number) => string },
): void {
  ctx.font = canvasFont(0.78);
  ctx.fillStyle = token("soft");
  ctx.strokeStyle = token("faint");
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  for (const tick of x.ticks) {
    const left = Math.round(x.at(tick)) + 0.5;
    ctx.moveTo(left, box.top);
    ctx.lineTo(left, box.bottom);
    ctx.fillText(x.text(tick), left, box.bottom + 0.4 * size);
  }
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const tick of y.ticks) {
    const top = Math.round(y.at(tick)) + 0.5;
    ctx.moveTo(box.left, top);
    ctx.lineTo(box.right, top);
    ctx.fillText(y.text(tick), box.left - 0.4 * size, top);
  }
  ctx.stroke();
}

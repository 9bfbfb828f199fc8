// The plane of step size and weight decay, logarithmic in both: the region in which theory calls the linear equation stable,
// and a point to drag.
import { h } from "../dom";
import { t } from "../language/language";
import { superscript } from "../numbers";
import { Drawing, drawAxes, type Box, type Surface } from "./canvas";

/** The range of the plane, and the bounds of the stable region. */
export interface Plane {
  /** Step sizes, ascending. */
  dts: number[];
  /** For each of `dts`, the lowest and the highest stable weight decay. */
  bounds: [low: number, high: number][];
  alphas: [least: number, most: number];
}

/** The plane with its point. Sliders beside it serve the keyboard. */
export class StabilityPlane {
  private readonly drawing: Drawing;
  readonly element: HTMLElement;
  private plane: Plane | undefined;
  private point: [dt: number, alpha: number] = [1, 1];
  private box: Box = { left: 0, top: 0, right: 1, bottom: 1 };

  constructor(private readonly onMove: (dt: number, alpha: number) => void) {
    this.drawing = new Drawing(
      t("Step size and weight decay"),
      t("Plane of step size and weight decay with the region that theory calls stable; drag the point, or use the sliders"),
      19,
      (surface) => this.paint(surface),
    );
    const { canvas } = this.drawing;
    canvas.classList.add("draggable");
    canvas.dataset["testid"] = "plane";
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.moveTo(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) this.moveTo(event);
    });
    this.element = this.drawing.element;
    this.element.append(
      h(
        "ul",
        { class: "legend" },
        h("li", { class: "k-band" }, h("i", { class: "area" }), t("stable by theory")),
        h("li", { class: "k-c1" }, h("i", { class: "dot" }), t("chosen point")),
      ),
    );
  }

  /** Shows another plane. */
  setPlane(plane: Plane): void {
    this.plane = plane;
    this.drawing.changed();
  }

  /** Moves the point without calling `onMove`. */
  setPoint(dt: number, alpha: number): void {
    this.point = [dt, alpha];
    this.drawing.changed();
  }

  close(): void {
    this.drawing.close();
  }

  private moveTo(event: PointerEvent): void {
    if (this.plane === undefined) return;
    const { left, right, top, bottom } = this.box;
    const within = (value: number): number => Math.min(Math.max(value, 0), 1);
    const along = (t: number, least: number, most: number): number => least * (most / least) ** t;
    const { dts, alphas } = this.plane;
    this.onMove(
      along(within((event.offsetX - left) / (right - left)), dts[0]!, dts.at(-1)!),
      along(within((bottom - event.offsetY) / (bottom - top)), ...alphas),
    );
  }

  private paint(surface: Surface): void {
    const { ctx, width, height, colour, rem } = surface;
    if (this.plane === undefined) return;
    const { dts, bounds, alphas } = this.plane;
    const box = { left: 3.4 * rem, top: 0.5 * rem, right: width - 0.8 * rem, bottom: height - 1.7 * rem };
    this.box = box;
    const part = (value: number, least: number, most: number): number => Math.log(value / least) / Math.log(most / least);
    const atX = (dt: number): number => box.left + (box.right - box.left) * part(dt, dts[0]!, dts.at(-1)!);
    const clamp = (alpha: number): number => Math.min(Math.max(alpha, alphas[0]), alphas[1]);
    const atY = (alpha: number): number => box.bottom - (box.bottom - box.top) * part(clamp(alpha), ...alphas);
    const open = dts.map((dt, i) => ({ dt, bound: bounds[i]! })).filter(({ bound: [low, high] }) => high > low);
    if (open.length > 1) {
      ctx.beginPath();
      for (const { dt, bound } of open) ctx.lineTo(atX(dt), atY(bound[1]));
      for (const { dt, bound } of open.reverse()) ctx.lineTo(atX(dt), atY(bound[0]));
      ctx.closePath();
      ctx.fillStyle = colour("band");
      ctx.fill();
      ctx.strokeStyle = colour("good");
      ctx.lineWidth = 1.5;
      ctx.stroke();
    }
    const power = (value: number): string => `10${superscript(Math.round(Math.log10(value)))}`;
    drawAxes(surface, box, { ticks: powers(dts[0]!, dts.at(-1)!), at: atX, text: power }, { ticks: powers(...alphas), at: atY, text: power });
    ctx.textAlign = "right";
    ctx.textBaseline = "bottom";
    ctx.fillText("dt", box.right, box.bottom - 0.25 * rem);
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    ctx.fillText("α", box.right - 0.9 * rem, box.top);
    ctx.beginPath();
    ctx.arc(atX(this.point[0]), atY(this.point[1]), 0.5 * rem, 0, 7);
    ctx.fillStyle = colour("c1");
    ctx.fill();
    ctx.lineWidth = 2;
    ctx.strokeStyle = colour("paper");
    ctx.stroke();
  }
}

function powers(least: number, most: number): number[] {
  const from = Math.ceil(Math.log10(least) - 1e-9);
  const to = Math.floor(Math.log10(most) + 1e-9);
  return Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i));
}

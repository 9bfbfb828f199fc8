// The picture of a plot that people take with them: title, names of the axes, legend, the settings of the run and its link.
import { h } from "../dom";
import { t } from "../language/language";
import type { Opened } from "../messages";
import type { Curve } from "../plots/line_plot";
import { property, type Values } from "../properties";
import type { RunPlot } from "../run/curves";
import type { RunRecord } from "../run/record";
import { colour, rem } from "../style/theme";
import { adapterName } from "./device";

/** A text at its place. `left` and `baseline` are its start, or its middle if `isCentred`; a `rotated` text runs upwards. */
export interface PlacedText {
  text: string;
  left: number;
  baseline: number;
  font: Font;
  colour: string;
  isCentred?: boolean;
  isRotated?: boolean;
}

/** A sample of a curve's line. */
interface Swatch {
  left: number;
  middle: number;
  curve: Curve;
}

/** Size in rem. */
interface Font {
  size: number;
  isBold?: boolean;
}

/** Everything in the picture, in CSS pixels. */
export interface Layout {
  width: number;
  height: number;
  plot: { left: number; top: number };
  texts: PlacedText[];
  swatches: Swatch[];
}

/** What the picture shows. */
export interface Content {
  title: string;
  x: string;
  y: string;
  curves: readonly Curve[];
  settings: readonly string[];
  link: string;
}

const TITLE: Font = { size: 1.15, isBold: true };
const PLAIN: Font = { size: 0.85 };
const SMALL: Font = { size: 0.75 };
/** Length of a swatch, in rem. */
const SWATCH = 1.4;

/** Places everything around a plot of this size. `measure` gives the width of a text; `unit` is a rem. */
export function compose(
  { title, x, y, curves, settings, link }: Content,
  plot: { width: number; height: number },
  measure: (text: string, font: Font) => number,
  unit: number,
): Layout {
  const margin = unit;
  const line = 1.35 * unit;
  // A name that is longer than its axis stands above it.
  const isUpright = measure(y, PLAIN) > plot.height;
  const [left, top] = [margin + 1.3 * unit, margin + (isUpright ? 3.2 : 1.9) * unit];
  const width = left + plot.width + margin;
  const texts: PlacedText[] = [
    { text: title, left: margin, baseline: margin + 0.9 * unit, font: TITLE, colour: "ink" },
    isUpright
      ? { text: y, left: margin, baseline: margin + 2.4 * unit, font: PLAIN, colour: "soft" }
      : { text: y, left: margin + 0.6 * unit, baseline: top + plot.height / 2, font: PLAIN, colour: "soft", isCentred: true, isRotated: true },
    { text: x, left: left + plot.width / 2, baseline: top + plot.height + 0.9 * unit, font: PLAIN, colour: "soft", isCentred: true },
  ];
  const swatches: Swatch[] = [];
  let [at, baseline] = [margin, top + plot.height + 2.6 * unit];
  for (const curve of curves) {
    const length = (SWATCH + 0.4) * unit + measure(curve.label, PLAIN);
    if (at > margin && at + length > width - margin) [at, baseline] = [margin, baseline + line];
    swatches.push({ left: at, middle: baseline - 0.3 * unit, curve });
    texts.push({ text: curve.label, left: at + (SWATCH + 0.4) * unit, baseline, font: PLAIN, colour: "ink" });
    at += length + 1.2 * unit;
  }
  baseline += 0.4 * unit;
  const widthOf = (text: string): number => measure(text, SMALL);
  const lines = [...wrap(settings, " · ", width - 2 * margin, widthOf), ...wrap([...link], "", width - 2 * margin, widthOf)];
  for (const text of lines) texts.push({ text, left: margin, baseline: (baseline += line), font: SMALL, colour: "soft" });
  return { width, height: baseline + margin, plot: { left, top }, texts, swatches };
}

/** Joins parts into lines that are at most `room` wide. */
function wrap(parts: readonly string[], joint: string, room: number, measure: (text: string) => number): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const longer = lines.length === 0 ? part : `${lines.at(-1)}${joint}${part}`;
    if (lines.length > 0 && measure(longer) <= room) lines[lines.length - 1] = longer;
    else lines.push(part);
  }
  return lines;
}

/** The settings of a run, in words. */
export function settingsOf(values: Values, record: RunRecord | undefined, opened: Opened | undefined): string[] {
  const rates = [values["lr"] ?? "", ...(values["lr-changes"] ?? "").split(",").filter(Boolean).map(changeOf)];
  const steps = record?.lastStep() ?? 0;
  const [network, width] = [choice("net", values), values["width"] ?? ""];
  return [
    width === "1" ? network : t("{network} of width {width}", { network, width }),
    t("images: {images}", { images: choice("dataset", values) }),
    `k = ${(values["ks"] ?? "").replaceAll(",", ", ")}`,
    ...((values["perturb"] ?? "") === "" ? [] : [t("perturbations: {list}", { list: values["perturb"]!.replaceAll(",", ", ") })]),
    t("seed {seed}", { seed: values["seed"] ?? "" }),
    t("batch size {size}", { size: values["batch-size"] ?? "" }),
    t("learning rate {rates}", { rates: rates.join(", ") }),
    values["optimizer"] === "adamw" ? choice("optimizer", values) : t("momentum {momentum}", { momentum: values["momentum"] ?? "" }),
    steps === 1 ? t("1 step") : t("{steps} steps", { steps }),
    ...(opened === undefined ? [] : [adapterText(opened)]),
  ];
}

/** What has computed. A picture goes to others, to whom “your processor” says nothing. */
function adapterText({ adapter: { name, backend } }: Opened): string {
  return backend === "processor" ? t("processor, WebAssembly simd128") : adapterName(name);
}

/** A later learning rate, `STEP:RATE`, in words. */
function changeOf(change: string): string {
  const [step = "", rate = ""] = change.split(":");
  return t("{rate} from step {step}", { rate, step });
}

/** The label of a chosen value. */
function choice(key: string, values: Values): string {
  const { format } = property(key);
  const value = values[key] ?? "";
  const label = format.type === "choice" ? format.options.find(([option]) => option === value)?.[1] : undefined;
  return label ?? value;
}

/** A plot as a PNG file in the pixels of the screen; `null` while there is no plot. */
export async function picture({ plot }: RunPlot, settings: readonly string[], link: string): Promise<Blob | null> {
  const source = plot.canvas();
  if (source === undefined) return null;
  const dots = devicePixelRatio;
  const unit = rem();
  const canvas = h("canvas", {});
  const context = canvas.getContext("2d")!;
  const fontOf = ({ size, isBold }: Font): string => `${isBold === true ? "600 " : ""}${size * unit}px system-ui, sans-serif`;
  const measure = (text: string, font: Font): number => {
    context.font = fontOf(font);
    return context.measureText(text).width;
  };
  const content = { title: plot.title, x: t("step"), y: plot.note, curves: plot.curves(), settings, link };
  const layout = compose(content, { width: source.width / dots, height: source.height / dots }, measure, unit);
  canvas.width = Math.ceil(layout.width * dots);
  canvas.height = Math.ceil(layout.height * dots);
  context.fillStyle = colour("paper");
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, Math.round(layout.plot.left * dots), Math.round(layout.plot.top * dots));
  context.scale(dots, dots);
  for (const { left, middle, curve } of layout.swatches) {
    context.strokeStyle = colour(curve.colour);
    context.lineWidth = 2.5;
    context.setLineDash(curve.pinned === true || curve.dotted === true ? [2, 3] : curve.dashed === true ? [6, 4] : []);
    context.beginPath();
    context.moveTo(left, middle);
    context.lineTo(left + SWATCH * unit, middle);
    context.stroke();
  }
  for (const { text, left, baseline, font, colour: token, isCentred, isRotated } of layout.texts) {
    context.save();
    context.translate(left, baseline);
    if (isRotated === true) context.rotate(-Math.PI / 2);
    context.font = fontOf(font);
    context.fillStyle = colour(token);
    context.textAlign = isCentred === true ? "center" : "left";
    context.fillText(text, 0, 0);
    context.restore();
  }
  return new Promise((resolve) => canvas.toBlob(resolve));
}

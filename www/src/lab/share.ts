// What the user can take away from a run: its link, its command line, its numbers, its picture and its config.
import { linkTo } from "../address";
import type { LiveBackend } from "../backend";
import { button, h, setText } from "../dom";
import { t } from "../language/language";
import { STEP_COLUMNS } from "../messages";
import { commandLine, toQuery, type Values } from "../properties";
import { idOf } from "../run/replicas";
import type { RunRecord } from "../run/record";
import type { RunPlot } from "../run/curves";
import type { Component, RunSource } from "../run/session";
import { picture, settingsOf } from "./picture";
import { toml } from "./toml";

/** The panel with the command line and the downloads. */
export class Share implements Component {
  private readonly command = h("code", { "data-testid": "command" });
  private readonly note = h("p", { class: "hint", role: "status" });
  readonly element: HTMLElement;
  private values: Values = {};
  private pinned: RunRecord | undefined;
  private readonly pinnedButton = button(t("CSV, pinned"), () => save("lastbit-pinned.csv", "text/csv", csv(this.pinned)), { "data-testid": "csv-pinned", hidden: true });

  private readonly measuredButton: HTMLButtonElement;

  constructor(
    run: () => RunSource,
    plot: RunPlot,
    private readonly backend: LiveBackend,
  ) {
    const saveMeasured = (): void => save("curvature.jsonl", "application/jsonl", measuredLines(run().record));
    this.measuredButton = button(t("Curvature"), saveMeasured, { "data-testid": "measured", hidden: true, title: t("The lines that the native program writes into metrics.jsonl") });
    const actions = [
      button(t("Copy link"), () => this.copy(this.link(), t("Link copied"))),
      button("CSV", () => save("lastbit.csv", "text/csv", csv(run().record)), { "data-testid": "csv" }),
      this.pinnedButton,
      this.measuredButton,
      button("PNG", () => void this.savePicture(run(), plot), { "data-testid": "png" }),
      button(t("Config"), () => save("config.toml", "application/toml", toml(this.values, this.backend)), { "data-testid": "config" }),
    ];
    this.element = h(
      "section",
      { class: "panel" },
      h("h2", {}, t("Take it with you")),
      h("p", { class: "note" }, t("The same run on the command line:")),
      h("div", { class: "copy" }, h("pre", {}, this.command), button(t("Copy"), () => this.copy(commandLine(this.values, this.backend), t("Command copied")))),
      h("div", { class: "toolbar" }, ...actions),
      this.note,
    );
  }

  update({ record }: RunSource): void {
    this.measuredButton.hidden = record === undefined || record.curvature.length + record.growth.length === 0;
  }

  /** Shows these values. */
  show(values: Values): void {
    this.values = values;
    // A flag and its value stay on one line.
    const words = commandLine(values, this.backend).split(/ (?=--)/);
    this.command.replaceChildren(...words.flatMap((word, i) => [i === 0 ? "" : " ", h("span", { class: "flag" }, word)]));
  }

  /** Offers the numbers of the run whose curves are pinned; `undefined` if none are. */
  setPinned(record: RunRecord | undefined): void {
    this.pinned = record;
    this.pinnedButton.hidden = record === undefined;
  }

  private link(): string {
    return location.href.split("#")[0] + linkTo("lab", toQuery(this.values));
  }

  private async savePicture({ record, opened }: RunSource, plot: RunPlot): Promise<void> {
    const blob = await picture(plot, settingsOf(this.values, record, opened), this.link());
    if (blob === null) setText(this.note, t("There is no picture before the first step"));
    else saveBlob("lastbit.png", blob);
  }

  private copy(text: string, done: string): void {
    // Browsers refuse it without a gesture or on insecure pages; the text is on screen anyway.
    navigator.clipboard.writeText(text).then(() => setText(this.note, done), () => setText(this.note, t("The browser did not allow copying")));
  }
}

/** Every step as a line of comma-separated values, columns by replica. */
export function csv(record: RunRecord | undefined): string {
  if (record === undefined) return "";
  const columns = STEP_COLUMNS.flatMap((name) => record.columns[name].map((column, r) => [`${snakeCase(name)}_${idOf(record, r)}`, column] as const));
  const all = [["step", record.step] as const, ["epoch", record.epoch] as const, ["lr", record.lr] as const, ...columns];
  const values = all.map(([, column]) => column.values());
  const lines = Array.from({ length: record.step.length }, (_, i) => values.map((column) => column[i]).join());
  return [all.map(([name]) => name).join(), ...lines, ""].join("\n");
}

/** The measurements of curvature and growth in the order of their steps, as the native program writes them; empty without any. */
export function measuredLines(record: RunRecord | undefined): string {
  const lines = [...(record?.curvature ?? []), ...(record?.growth ?? [])].sort((a, b) => a.step - b.step);
  return lines.map(({ line }) => `${line}\n`).join("");
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z0-9]+/g, (capital) => `_${capital.toLowerCase()}`);
}

function save(name: string, type: string, text: string): void {
  saveBlob(name, new Blob([text], { type }));
}

function saveBlob(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// The user's images. Dropped or chosen files are read here and go to the worker, never over the network. If the host has a
// folder data/ beside the page with a list of its files, data sets are fetched from it.
import { button, h, setText } from "../dom";
import { t } from "../language/language";
import type { PlainText } from "../language/de";
import { formatCount } from "../numbers";
import type { Data, DataFile } from "../messages";
import type { Session } from "../run/session";

/** More than the largest file of a known data set. */
const MOST_BYTES = 400 * 2 ** 20;

/** What the core says about the origin of images (`Origin` in core). */
const ORIGINS: readonly PlainText[] = [
  "the published CIFAR-10",
  "not the published CIFAR-10",
  "the published Fashion-MNIST",
  "not the published Fashion-MNIST",
  "not the published Fashion-MNIST but, by the size of each class, the digits of MNIST",
];

/** The core's words on an origin in the page's language, if it has them. */
function originInWords(origin: string): string {
  const known = ORIGINS.find((one) => one === origin);
  return known === undefined ? origin : t(known);
}

/** The panel. It takes files that are dropped anywhere on the page. */
export class DataPanel {
  private readonly status = h("p", { class: "hint", "data-testid": "data-status", role: "status" });
  private readonly input = h("input", { type: "file", multiple: true, class: "hidden", "data-testid": "files", "aria-label": t("Files of a data set") });
  private readonly zone: HTMLElement;
  readonly element: HTMLElement;
  private readonly listeners = new AbortController();
  /** The text of the status while nothing is being read. */
  private idleStatus = "";

  constructor(
    private readonly session: Session,
    private readonly onError: (message: string) => void,
  ) {
    this.zone = h(
      "div",
      { class: "drop" },
      h("p", {}, t("Drop cifar-10-binary.tar.gz, or Fashion-MNIST's four .gz files, anywhere on the page. They stay on this machine.")),
      button(t("Choose files"), () => this.input.click()),
      this.input,
    );
    this.element = h("section", { class: "panel" }, h("h2", {}, t("Your images")), this.zone, this.status);
    this.input.addEventListener("change", () => {
      void this.read([...(this.input.files ?? [])]);
      this.input.value = "";
    });
    const { signal } = this.listeners;
    addEventListener("dragover", (event) => (event.preventDefault(), this.zone.classList.add("over")), { signal });
    addEventListener("dragleave", () => this.zone.classList.remove("over"), { signal });
    addEventListener("drop", (event) => {
      event.preventDefault();
      this.zone.classList.remove("over");
      void this.read([...(event.dataTransfer?.files ?? [])]);
    }, { signal });
  }

  /** Shows which files arrived and what is still missing. */
  show({ files, missing, origins }: Data): void {
    const counts = files.map(({ file, items }) => `${file}: ${formatCount(items)}`).join("; ");
    const lacks = Object.values(missing).filter((file) => file !== undefined);
    const known = Object.values(origins).filter((origin) => origin !== undefined).map(originInWords);
    this.idleStatus =
      lacks.length > 0
        ? t("{files}. Still missing: {missing}.", { files: counts, missing: lacks.join(", ") })
        : known.length > 0
          ? t("{files}. Ready: {origin}.", { files: counts, origin: known.join(": ") })
          : t("{files}. Ready.", { files: counts });
    setText(this.status, this.idleStatus);
  }

  /** Shows that the files being read were not loaded. */
  failed(): void {
    if (this.status.textContent !== this.idleStatus) setText(this.status, `${t("Not loaded.")} ${this.idleStatus}`);
  }

  /** Fetches the files of `dataset` from the host's folder and sends them to the worker; false if the host has none. */
  async fetchFromHost(dataset: string): Promise<boolean> {
    const index: unknown = await fetch("./data/index.json").then((response) => response.json()).catch(() => []);
    const wanted = dataset === "cifar10" ? /cifar|data_batch|test_batch/ : /ubyte/;
    const names = Array.isArray(index) ? index.filter((name) => typeof name === "string" && wanted.test(name)) : [];
    if (names.length === 0) return false;
    setText(this.status, t("Fetching {files} from this host", { files: names.join(", ") }));
    const files = names.map(async (name: string): Promise<DataFile> => {
      const response = await fetch(`./data/${name}`);
      if (!response.ok) throw new Error(t("the host lists {file} but does not serve it ({status})", { file: `data/${name}`, status: response.status }));
      return { name, bytes: await response.arrayBuffer() };
    });
    this.session.engine.data(await Promise.all(files));
    return true;
  }

  close(): void {
    this.listeners.abort();
  }

  private async read(files: File[]): Promise<void> {
    if (files.length === 0) return;
    const large = files.find(({ size }) => size > MOST_BYTES);
    if (large !== undefined) return this.onError(t("{file} is larger than any data set here: drop CIFAR-10 or Fashion-MNIST", { file: large.name }));
    setText(this.status, t("Reading"));
    try {
      const read = files.map(async (file): Promise<DataFile> => ({ name: file.name, bytes: await file.arrayBuffer() }));
      this.session.engine.data(await Promise.all(read));
    } catch (error) {
      this.failed();
      this.onError(t("a dropped file cannot be read ({error}): drop it again", { error: String(error) }));
    }
  }
}

// The view of the device: which promises about bits it keeps. The quick form of `lastbit certify` runs in a worker of its own, so
// that nothing here waits; stopping it terminates the worker.
import { linkTo } from "../address";
import { findBackend, type LiveBackend } from "../backend";
import { button, h, setText } from "../dom";
import { Engine } from "../engine";
import { adapterName, backendWord } from "../lab/device";
import { t, tNodes } from "../language/language";
import type { Certificate, CertifiedPromise, EngineEvent } from "../messages";
import type { LampState } from "../run/lamp";
import type { View } from "../view";
import { classText, failureTexts, promiseName, PROMISES, subnormalsText, verdict } from "./promises";
import "../style/certify.css";

/** Opens the view. */
export async function open(): Promise<View> {
  const { backend, webgpu, simd } = await findBackend();
  if (backend !== "recorded") return new Certification(backend);
  const { why, remedy } = webgpu.ok || simd ? { why: "Recorded runs were chosen.", remedy: "Remove “backend=recorded” from the address." } as const : webgpu;
  const element = h(
    "div",
    { class: "page certify", "data-testid": "no-webgpu" },
    h("h1", {}, TITLE),
    backendWord(backend),
    h("div", { class: "notice warn" }, h("p", { class: "lead" }, t(why)), h("p", {}, t(remedy))),
    h("p", {}, ...tNodes("Without a browser that can train, {command} checks a device natively.", { command: h("code", {}, "lastbit certify") })),
  );
  return { element, close: () => undefined };
}

const TITLE = t("Does this device keep the promise?");

/** A lamp with its word, and a sentence. */
class Light {
  private readonly word = h("span", {});
  private readonly sentence = h("span", {});
  readonly element: HTMLElement;

  constructor(tag: "p" | "div", attributes: Record<string, string> = {}) {
    this.element = h(tag, attributes, h("b", {}, h("i", { "aria-hidden": "true" }), this.word), this.sentence);
  }

  show(state: LampState, word: string, sentence: string): void {
    this.element.className = `lamp ${state}`;
    this.element.dataset["state"] = state;
    setText(this.word, word);
    setText(this.sentence, sentence);
  }
}

/** The line of a promise. It opens to what was checked. */
class Row {
  private readonly light = new Light("div");
  private readonly checked = h("p", { class: "note" }, t("Not checked yet."));
  readonly element: HTMLElement;

  constructor(
    readonly name: string,
    private readonly meaning: string,
  ) {
    this.element = h("details", { "data-testid": `promise-${name}` }, h("summary", {}, this.light.element, h("span", { class: "name" }, promiseName(name))), this.checked);
    this.wait();
  }

  wait(): void {
    this.show("none", t("waiting"), t("Not checked yet."));
  }

  run(): void {
    this.show("none", t("checking"), t("Under way."));
  }

  result({ kept, exception, checked, seconds }: CertifiedPromise): void {
    const [state, word]: [LampState, string] = !kept ? ["red", t("broken")] : exception === null ? ["green", t("kept")] : ["none", t("exception")];
    this.show(state, word, t("Checked: {checked} ({seconds} s).", { checked, seconds: seconds.toFixed(1) }));
  }

  private show(state: LampState, word: string, checked: string): void {
    this.light.show(state, word, this.meaning);
    this.element.dataset["state"] = state;
    setText(this.checked, checked);
  }
}

class Certification implements View {
  readonly element: HTMLElement;
  private readonly start = button(t("Check this device"), () => (this.engine === undefined ? this.begin() : this.stop()), { class: "primary", "data-testid": "certify" });
  private readonly copyButton = button(t("Copy the certificate"), () => this.copy(), { "data-testid": "copy-certificate", "aria-disabled": "true" });
  private readonly note = h("span", { class: "note", role: "status" });
  private readonly bar = h("progress", { max: PROMISES.length, value: 0, "aria-label": t("Promises checked") });
  private readonly under = h("p", { class: "note under", "data-testid": "certify-progress" });
  private readonly lamp = new Light("p", { role: "status", "data-testid": "certify-lamp" });
  private readonly facts = ["adapter", "class", "subnormals"].map((id) => h("dd", { "data-testid": `certify-${id}` }, "–")) as [HTMLElement, HTMLElement, HTMLElement];
  private readonly rows = PROMISES.map(([name, meaning]) => new Row(name, meaning));
  private readonly findings = h("section", { class: "panel", "data-testid": "certify-findings", hidden: true });
  private readonly error = h("p", { class: "notice error", role: "alert", "data-testid": "error", hidden: true });
  private engine: Engine | undefined;
  private promises: CertifiedPromise[] = [];
  private certificate: string | undefined;

  constructor(private readonly backend: LiveBackend) {
    const [adapter, classOf, subnormals] = this.facts;
    this.element = h(
      "div",
      { class: "page certify" },
      h("h1", {}, TITLE),
      h(
        "p",
        { class: "lead" },
        t("lastbit says: the same run has the same bits on every device of one class, whoever made it. Here your device shows whether it does."),
      ),
      h(
        "p",
        {},
        t("It trains small networks on made-up images in pairs that must agree, divides and takes roots of numbers whose results are known, and makes runs whose fingerprints are published. Every bit is compared. Where the processor does the work of a GPU, this takes a minute or two; a GPU is quicker. Nothing leaves this machine."),
      ),
      this.error,
      h("div", { class: "toolbar check" }, this.start, this.bar),
      this.under,
      backendWord(this.backend),
      this.lamp.element,
      h(
        "dl",
        { class: "readout small" },
        h("div", {}, h("dt", {}, t("device")), adapter),
        h("div", {}, h("dt", {}, t("arithmetic")), classOf),
        h("div", {}, h("dt", {}, t("numbers below 2⁻¹²⁶")), subnormals),
      ),
      h("section", { class: "promises", "aria-label": t("Promises") }, ...this.rows.map(({ element }) => element)),
      this.findings,
      h("div", { class: "toolbar" }, this.copyButton, this.note),
      h(
        "p",
        { class: "note" },
        ...tNodes(
          "The certificate is the JSON that {command} writes, to pass on. The native program also compares every kernel with its twin on the processor. The runs of the {lab} and of the {lesson} show by themselves whether their fingerprints are the published ones.",
          { command: h("code", {}, "lastbit certify"), lab: h("a", { href: linkTo("lab") }, t("lab")), lesson: h("a", { href: linkTo("lesson/3") }, t("lesson")) },
        ),
      ),
    );
    this.reset();
  }

  close(): void {
    this.engine?.close();
  }

  private reset(): void {
    this.promises = [];
    this.certificate = undefined;
    this.rows.forEach((row) => row.wait());
    this.facts.forEach((fact) => setText(fact, "–"));
    this.findings.hidden = this.error.hidden = true;
    this.copyButton.setAttribute("aria-disabled", "true");
    setText(this.note, "");
    this.bar.value = 0;
    setText(this.under, "");
    this.lamp.show("none", t("Not checked"), "");
  }

  private begin(): void {
    this.reset();
    this.engine = new Engine(this.backend);
    this.engine.on((event) => this.handle(event));
    this.engine.certify();
    setText(this.start, t("Stop"));
    this.start.classList.remove("primary");
    this.lamp.show("none", t("Checking"), "");
    setText(this.under, t("opening the device"));
  }

  private stop(): void {
    this.end();
    this.reset();
  }

  /** Terminates the worker, and offers another check. */
  private end(): void {
    this.engine?.close();
    this.engine = undefined;
    setText(this.start, t("Check again"));
    this.start.classList.add("primary");
    setText(this.under, "");
  }

  private handle(event: EngineEvent): void {
    switch (event.kind) {
      case "arithmetic": {
        const [adapter, classOf, subnormals] = this.facts;
        setText(adapter, adapterName(event.adapter));
        setText(classOf, classText(event.class));
        setText(subnormals, subnormalsText(event.subnormals));
        return this.next();
      }
      case "subject":
        this.showProgress(event.name);
        return;
      case "promise":
        this.promises.push(event.promise);
        this.rows.find(({ name }) => name === event.promise.name)?.result(event.promise);
        this.bar.value = this.promises.length;
        return this.next();
      case "certificate":
        this.certificate = event.json;
        this.finish(JSON.parse(event.json) as Certificate);
        return;
      case "error":
        this.stop();
        setText(this.error, t("{error}. Check again, or reload the page.", { error: event.message }));
        this.error.hidden = false;
        return;
    }
  }

  /** Marks the promise that is checked next. */
  private next(): void {
    const row = this.rows[this.promises.length];
    row?.run();
    this.showProgress(row?.name);
  }

  /** Shows how many promises are checked, and what is being checked. */
  private showProgress(now: string | undefined): void {
    const counts = { checked: this.promises.length, count: PROMISES.length };
    setText(this.under, now === undefined ? t("{checked} of {count} checked", counts) : t("{checked} of {count} checked, now: {name}", { ...counts, name: promiseName(now) }));
  }

  private finish(certificate: Certificate): void {
    this.end();
    const [word, sentence] = verdict(certificate);
    this.lamp.show(certificate.kept ? "green" : "red", word, sentence);
    this.copyButton.setAttribute("aria-disabled", "false");
    const differing = certificate.promises.filter(({ kept, exception }) => !kept || exception !== null);
    const lines = differing.flatMap((promise) => {
      const texts = promise.kept ? [t("Exception: {exception}.", { exception: promise.exception ?? "" })] : failureTexts(promise);
      return [h("h3", {}, promiseName(promise.name)), h("ul", {}, ...texts.map((text) => h("li", {}, text)))];
    });
    this.findings.replaceChildren(h("h2", {}, t(certificate.kept ? "The exception" : "Where it breaks")), ...lines);
    this.findings.hidden = differing.length === 0;
  }

  private copy(): void {
    if (this.certificate === undefined) return;
    const [done, refused] = [t("Certificate copied"), t("The browser did not allow copying")];
    // Indented, as the native program writes it.
    const text = `${JSON.stringify(JSON.parse(this.certificate), undefined, 2)}\n`;
    navigator.clipboard.writeText(text).then(() => setText(this.note, done), () => setText(this.note, refused));
  }
}

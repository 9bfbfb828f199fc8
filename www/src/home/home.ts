// The first view: one story. A run starts by itself, one handle changes it, and the reader sees what it leads to. The rest of the
// page is a click away.
import { linkTo } from "../address";
import { type Backend, findBackend, type Found } from "../backend";
import { button, h, setText } from "../dom";
import { messageOf } from "../message_of";
import { adapterName, backendWord, whyNoWebgpu } from "../lab/device";
import { t, tNodes } from "../language/language";
import { toQuery } from "../properties";
import { openRecording } from "../recorded/open";
import type { Player } from "../recorded/player";
import { Climb } from "../run/climb";
import { Consequence } from "../run/consequence";
import { divergencePlot } from "../run/curves";
import { Lamp } from "../run/lamp";
import { type Component, type RunSource, Session } from "../run/session";
import { FIRST_RATE, FIRST_STEPS, RATES, RECORDED_RATES, smoothRun } from "../run/smooth";
import { StoryLine } from "../run/story";
import { slider } from "../slider";
import type { View } from "../view";
import "../style/home.css";

/** Steps a second at most: on a fast GPU the copies would part before anybody sees it. */
const PACE = 40;

/** Opens the view. */
export async function open(): Promise<View> {
  return new Home(await findBackend());
}

class Home implements View {
  readonly element: HTMLElement;
  private readonly rates: readonly number[];
  private rate = FIRST_RATE;
  /** A live run, or the recorded run of `rate`. */
  private session: Session | undefined;
  private player: Player | undefined;
  private closed = false;
  /** Counts requested recordings: one that loads slowly must not replace a later one. */
  private requests = 0;
  private readonly plot = divergencePlot(true);
  private readonly components: Component[];
  private readonly start = button(t("Start"), () => this.toggle(), { class: "primary", "data-testid": "start" });
  private readonly step = h("output", { "data-testid": "step", "aria-live": "off" }, "0");
  private readonly where = h("span", { class: "note", "data-testid": "adapter" });
  private readonly error = h("p", { class: "notice error", role: "alert", "data-testid": "error", hidden: true });
  private readonly inLab = h("a", { href: linkTo("lab") }, t("Open this run in the lab"));

  constructor(found: Found) {
    const { backend } = found;
    this.rates = backend === "recorded" ? RECORDED_RATES : RATES;
    const [lamp, story, consequence, climb] = [new Lamp(), new StoryLine(), new Consequence(), new Climb()];
    // Recorded runs have neither images nor the bits of their weights.
    const effects = backend === "recorded" ? [] : [consequence, climb];
    this.components = [lamp, this.plot, story, ...effects, { element: this.step, update: (source) => this.update(source) }];
    const last = this.rates.length - 1;
    const handle = slider(
      t("Learning rate"),
      { min: 0, max: last, step: 1, value: this.rates.indexOf(FIRST_RATE), testid: "lr", text: (index) => String(this.rates[index] ?? "") },
      (index) => this.changeRate(this.rates[index]!),
    );
    this.element = h(
      "div",
      { class: "page home" },
      h(
        "h1",
        {},
        h("span", {}, t("Three copies of one network train here.")),
        h("span", {}, " ", t("Same weights, same images. One rounds differently in the last bit."), " ", h("em", {}, t("Watch it leave."))),
      ),
      h(
        "p",
        { class: "lead" },
        t("Each copy divides every change of a weight by its number k and multiplies it by k again: k is 1, 2 or 3. On paper that changes nothing. In the computer a third is rounded."),
      ),
      this.error,
      h(
        "div",
        { class: "stage-of-home" },
        h("div", { class: "main-plot" }, this.plot.element, story.element),
        h(
          "div",
          { class: "handle panel" },
          handle.element,
          h("p", { class: "note" }, t("How far each step of the training goes. At 0.8 the copies part. Move it to 0.1: they learn as well, and hardly part.")),
          h("div", { class: "toolbar" }, this.start, h("span", {}, ...tNodes("step {step}", { step: this.step }))),
          lamp.element,
          h("p", { class: "note" }, this.where, backendWord(backend)),
          whyNoWebgpu(found),
          this.inLab,
        ),
      ),
      effects.length === 0 ? undefined : h("div", { class: "plot-grid effects" }, ...effects.map(({ element }) => element)),
      reasons(),
      ways(),
    );
    this.begin(backend);
  }

  close(): void {
    this.closed = true;
    this.session?.close();
    this.player?.close();
    // A session closes the components that it shows.
    this.components.forEach((component) => component.close?.());
  }

  private begin(backend: Backend): void {
    if (backend === "recorded") {
      void this.play();
      return;
    }
    this.session = new Session(backend);
    this.components.forEach((component) => this.session!.add(component));
    this.train();
  }

  private train(): void {
    const values = smoothRun(this.rate, FIRST_STEPS);
    this.inLab.href = linkTo("lab", toQuery(values));
    this.error.hidden = true;
    this.session!.open(values);
    this.session!.start(PACE);
  }

  private async play(): Promise<void> {
    const request = ++this.requests;
    this.player?.pause();
    try {
      const player = await openRecording(`rate-${this.rate}`);
      if (this.closed || request !== this.requests) return;
      this.player = player;
      this.components.forEach((component) => this.player!.add(component));
      this.player.start();
    } catch (error) {
      if (this.closed) return;
      setText(this.error, t("{error}: choose another rate, or reload the page.", { error: messageOf(error) }));
      this.error.hidden = false;
    }
  }

  private changeRate(rate: number): void {
    if (rate === this.rate) return;
    // The curve of the rate before stays, for comparison.
    const record = this.session?.record ?? this.player?.record;
    if (record !== undefined && record.lastStep() > 0) this.plot.pin(record, t("at {rate}", { rate: this.rate }));
    this.rate = rate;
    this.error.hidden = true;
    if (this.session === undefined) void this.play();
    else this.train();
  }

  private toggle(): void {
    const run = this.session ?? this.player;
    if (run?.running === true) run.pause();
    else if (this.session?.error !== undefined) this.train();
    else if (this.session !== undefined) this.session.start(PACE);
    else run?.start();
  }

  private update({ record, opened, running, finished }: RunSource): void {
    setText(this.step, String(record?.lastStep() ?? 0));
    setText(this.start, t(running ? "Pause" : this.session?.error !== undefined ? "Restart" : finished ? "Finished: again" : "Start"));
    const adapter = opened && adapterName(opened.adapter.name);
    setText(
      this.where,
      adapter === undefined ? t("Preparing") : t(this.session === undefined ? "Recorded on {adapter}." : "Live on {adapter}.", { adapter }),
    );
    const fault = this.session?.error;
    if (fault === undefined) return;
    setText(this.error, fault.message);
    this.error.hidden = false;
  }
}

/** What differs, why, how far, and what makes it vanish. */
function reasons(): HTMLElement {
  const part = (title: string, ...text: (string | Node)[]) => h("section", {}, h("h2", {}, title), h("p", {}, ...text));
  return h(
    "div",
    { class: "reasons" },
    part(
      t("What differs"),
      t("Only k: one copy divides each update by 1, one by 3 and one by 2, and multiplies it back. Weights, images and their order are the same."),
    ),
    part(
      t("Why it matters"),
      t("A computer keeps 24 binary digits of a number (the first is always 1, so 23 are stored). A third does not fit, so k = 3 sometimes rounds the last digit the other way. A half fits, so k = 2 stays equal in every bit: nothing but rounding sets the copies apart."),
    ),
    part(
      t("How far it goes"),
      t("Training with long steps is unstable: it multiplies a small difference again and again, until the copies are as far apart as each is from where it started. They then see different things in the same image."),
    ),
    part(
      t("What makes it vanish"),
      ...tNodes(
        "Shorter steps: a smaller learning rate. Below a certain one a difference hardly grows while the copies learn. The {equations} show such an edge for three smaller cases.",
        { equations: h("a", { href: linkTo("pde/nonlinear") }, t("equations")) },
      ),
    ),
  );
}

/** The ways into the rest of the page. */
function ways(): HTMLElement {
  const way = (path: string, title: string, text: string) => h("a", { class: "way", href: linkTo(path) }, h("b", {}, `${title} →`), h("span", {}, text));
  return h(
    "nav",
    { class: "ways", "aria-label": t("Go on") },
    way("lesson/1", t("Lesson"), t("Seven short chapters, from one bit to the choice of a learning rate. For a class, or for you alone.")),
    way("lab", t("Lab"), t("Every setting, every layer, every bit; your own images; and the command that repeats the run.")),
    way("pde/heat", t("Equations"), t("The three equations that say when a step is too long.")),
  );
}

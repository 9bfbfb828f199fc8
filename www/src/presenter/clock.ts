// The time since a talk began.
import { button, h, setText } from "../dom";
import { t } from "../language/language";

/** Milliseconds as `m:ss`, or `h:mm:ss` from an hour on. */
export function elapsedText(milliseconds: number): string {
  const seconds = Math.max(Math.floor(milliseconds / 1000), 0);
  const two = (value: number): string => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours === 0 ? `${minutes}:${two(seconds % 60)}` : `${hours}:${two(minutes)}:${two(seconds % 60)}`;
}

const KEY = "lastbit-talk-began";

/** A clock with a button that sets it to zero. A reload does not stop it. */
export class Clock {
  private readonly time = h("span", { class: "time", role: "timer", "aria-label": t("Time elapsed"), "data-testid": "elapsed" });
  readonly element = h("div", { class: "clock" }, this.time, button(t("Clock to zero"), () => this.reset(), { class: "quiet", "data-testid": "clock-zero" }));
  private began: number;
  private readonly timer = setInterval(() => this.show(), 250);

  constructor() {
    this.began = stored() ?? Date.now();
    store(this.began);
    this.show();
  }

  close(): void {
    clearInterval(this.timer);
  }

  private reset(): void {
    this.began = Date.now();
    store(this.began);
    this.show();
  }

  private show(): void {
    setText(this.time, elapsedText(Date.now() - this.began));
  }
}

/** Storage may be forbidden; then a reload starts the clock again. */
function stored(): number | undefined {
  try {
    return Number(sessionStorage.getItem(KEY)) || undefined;
  } catch {
    return undefined;
  }
}

function store(began: number): void {
  try {
    sessionStorage.setItem(KEY, String(began));
  } catch {
    // The clock still runs.
  }
}

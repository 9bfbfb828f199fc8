// Why the lab's copies part at rates at which those of the first view stay together.
import { linkTo } from "../address";
import { h } from "../dom";
import { t } from "../language/language";
import { toQuery, type Values } from "../properties";
import { smoothRun } from "../run/smooth";

/** Whether the network has a kink or momentum, with which a smaller rate slows the parting but does not prevent it. */
export function isRough(values: Values): boolean {
  const activation = values["activation"] ?? "";
  const isSmooth = /^(swish|tanh)/.test(activation) || (activation === "" && (values["net"] ?? "").startsWith("mlp"));
  const hasMomentum = values["optimizer"] !== "adamw" && Number(values["momentum"]) > 0;
  return values["net"] !== "one-layer" && (!isSmooth || hasMomentum);
}

/** The note. */
export function rateNote(): HTMLElement {
  return h(
    "p",
    { class: "note", "data-testid": "rate-note" },
    t("With momentum or ReLU, as here, the copies part at small rates, too, only later."),
    " ",
    h("a", { href: linkTo("lab", toQuery(smoothRun(0.1, 1000))) }, t("Without both they stay together.")),
  );
}

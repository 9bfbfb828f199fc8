// The `config.toml` of a run.
import type { LiveBackend } from "../backend";
import { adapterOf, PROPERTIES, type Values } from "../properties";

/** The `config.toml` of the same run with the native program, on the same adapter as its command line. */
export function toml(values: Values, backend?: LiveBackend): string {
  const lines = PROPERTIES.flatMap(({ key, format }) => {
    const text = values[key] ?? "";
    if (text === "") return [];
    // As JavaScript writes it, because people type numbers such as .9, which TOML does not allow.
    const number = String(Number(text));
    if (format.type === "number") return [`${key} = ${/[.e]/.test(number) ? number : `${number}.0`}`];
    if (format.type === "integer") return [`${key} = ${number}`];
    if (format.type === "flag") return [`${key} = ${text}`];
    if (format.type === "divisors") return [`${key} = [${text.split(",").join(", ")}]`];
    if (format.type === "distances") return [`${key} = [${text.split(",").map((distance) => String(Number(distance))).join(", ")}]`];
    if (format.type === "rates" || format.type === "perturbations") return [`${key} = [${text.split(",").map((rate) => `"${rate}"`).join(", ")}]`];
    return [`${key} = "${text}"`];
  });
  const adapter = adapterOf(backend);
  if (adapter !== undefined) lines.push(`adapter = "${adapter}"`);
  return `# Run it again: lastbit train --config config.toml --out FOLDER\n${lines.join("\n")}\n`;
}

// Checks what people write: values of properties in the lab's fields and in addresses. The first view does without.
import { t } from "./language/language";
import { findProperty, type Property, type Values } from "./properties";

/** A larger most is no limit that anybody meets, and not named. */
const MOST_NAMED = 1e9;

/** The smallest and the largest normal float32. Training is in float32, where smaller numbers may become 0. */
const FLOAT32 = { least: 2 ** -126, most: (2 - 2 ** -23) * 2 ** 127 };

function isInFloat32(value: number): boolean {
  const rounded = Math.abs(Math.fround(value));
  return value === 0 || (rounded >= FLOAT32.least && rounded <= FLOAT32.most);
}

/** The perturbation of one copy. */
const PERTURBATION = /^(none|[1-9]\d*:(ulp|scale|gaussian|gradient):[\d.e+-]+(:[A-Za-z_][\w.]*)?(:\d+)?)$/;

/** True for a number that is above 0 and that float32 can hold. */
export function isPositive(text: string): boolean {
  return Number(text) > 0 && isInFloat32(Number(text));
}

/** What is wrong with the value of a property called `name`; `undefined` for a valid value. */
export function validate({ format, key }: Property, text: string, name = key): string | undefined {
  switch (format.type) {
    case "choice":
      if (text.startsWith("swish:") && format.pattern?.test(text) === true && !isPositive(text.slice(6))) {
        return t("{name} has a beta that float32 cannot hold: use numbers from 1.2e-38 to 3.4e38", { name });
      }
      return format.options.some(([value]) => value === text) || format.pattern?.test(text) === true
        ? undefined
        : t("{name} must be one of {options}", { name, options: format.options.map(([value]) => value || t("(empty)")).join(", ") });
    case "flag":
      return text === "true" || text === "false" ? undefined : t("{name} must be true or false", { name });
    case "divisors":
      return /^\d+(,\d+)*$/.test(text) && text.split(",").every((k) => Number(k) >= 1 && Number(k) <= 63)
        ? undefined
        : t("{name} must be a list of numbers from 1 to 63, such as 1,3,2", { name });
    case "rates":
      if (text === "") return undefined;
      if (!/^\d+:[\d.e+-]+(,\d+:[\d.e+-]+)*$/.test(text)) return t("{name} must be a list such as 20:0.01,40:0.1", { name });
      return text.split(",").every((rate) => isPositive(rate.split(":")[1] ?? ""))
        ? undefined
        : t("{name} has a rate that float32 cannot hold: use numbers from 1.2e-38 to 3.4e38", { name });
    case "perturbations":
      return text === "" || text.split(",").every((entry) => PERTURBATION.test(entry))
        ? undefined
        : t("{name} must be a list of none or STEP:KIND:SIZE[:TENSOR][:SEED], such as none,100:ulp:1", { name });
    case "distances":
      return text === "" || text.split(",").every(isPositive) ? undefined : t("{name} must be a list of positive numbers, such as 0.001,0.01", { name });
    case "flip-bit":
      // The value goes into a command line that people copy.
      return text === "" || /^[\w.]+:\d+:\d+:\d+$/.test(text) ? undefined : t("{name} must be TENSOR:INDEX:STEP:REPLICA", { name });
    case "integer": {
      if (text === "" && format.optional === true) return undefined;
      const { min, max } = format;
      const value = Number(text);
      if (text.trim() !== "" && Number.isInteger(value) && value >= min && value <= max) return undefined;
      return max <= MOST_NAMED
        ? t("{name} must be a whole number at least {min} and at most {max}", { name, min, max })
        : t("{name} must be a whole number at least {min}", { name, min });
    }
    case "number": {
      const { min, max, exclusiveMin } = format;
      const value = Number(text);
      const isAbove = exclusiveMin === true ? value > min : value >= min;
      if (text.trim() === "" || !isAbove || !(value <= max)) {
        return exclusiveMin === true
          ? t("{name} must be a number above {min} and at most {max}", { name, min, max })
          : t("{name} must be a number at least {min} and at most {max}", { name, min, max });
      }
      return isInFloat32(value) ? undefined : t("{name} is a number that float32 cannot hold: use numbers from 1.2e-38 to 3.4e38", { name });
    }
  }
}

/** The values of an address, with those of `base` for keys that it omits. Unknown keys and invalid values are reported as text. */
export function fromQuery(query: URLSearchParams, base: Values): { values: Values; problems: string[] } {
  const values = { ...base };
  const problems: string[] = [];
  for (const [key, text] of query) {
    const known = findProperty(key);
    const wrong = known === undefined ? t("{name} is not known", { name: key }) : validate(known, text);
    if (wrong === undefined) values[key] = text;
    else problems.push(wrong);
  }
  return { values, problems };
}

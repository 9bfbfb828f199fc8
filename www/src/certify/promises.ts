// The promises that the quick form checks, and what a certificate says about them in words. Pure functions.
import type { PlainText } from "../language/de";
import { t } from "../language/language";
import type { Certificate, CertifiedPromise, KernelFailure } from "../messages";

/** Names as the core has them, in the order in which they are checked, and what each means. */
export const PROMISES = [
  ["class", t("Every a·b + c is rounded once, or every one twice. Which of the two is the device’s class.")],
  ["subnormals", t("Numbers below 2⁻¹²⁶ are kept, not replaced by zero.")],
  ["division and roots", t("Quotients and square roots are correctly rounded.")],
  ["run-to-run", t("The same run gives the same bits again.")],
  ["replica-independent", t("A copy has the same bits alone and beside others.")],
  ["controls", t("k = 1 twice, and k = 2, differ in no bit; k = 3 differs.")],
  ["chunks", t("Copies that take turns have the same bits as all at once.")],
  ["splits", t("Work in small pieces has the same bits as work in large ones.")],
  ["steps in flight", t("Steps that overlap have the same bits as one after the other.")],
  ["published runs", t("Six short runs have the fingerprints that are published for the class.")],
] as const satisfies readonly (readonly [name: PlainText, meaning: string])[];

/** The name of a promise, or of another thing that is checked, in the page's language if it is known. */
export function promiseName(name: string): string {
  const known = PROMISES.find(([one]) => one === name);
  return known === undefined ? name : t(known[0]);
}

/** The class in words. */
export function classText(name: Certificate["arithmetic"]["class"]): string {
  switch (name) {
    case "fused":
      return t("rounds a·b + c once: class fused");
    case "separate":
      return t("rounds a·b + c twice: class separate");
    case "neither":
      return t("rounds a·b + c sometimes once, sometimes twice: no class");
  }
}

/** What a device does with subnormal numbers, in words. */
export function subnormalsText(name: Certificate["arithmetic"]["subnormals"]): string {
  return t(name === "kept" ? "kept as they are" : "flushed to zero");
}

/** A failure in one line. */
export function failureText(failure: string | KernelFailure): string {
  if (typeof failure === "string") return failure;
  const { kernel, constants, case: what, buffer, element, expected, found } = failure;
  const where = `${kernel} [${constants}] (${what}): ${buffer}[${element}]`;
  return t("{where} is {found}, expected {expected}", { where, found, expected });
}

/** The failures of a promise, with the number of those that are not listed. */
export function failureTexts({ failures, failure_count: count }: CertifiedPromise): string[] {
  const rest = count - failures.length;
  return [...failures.map(failureText), ...(rest > 0 ? [t("and {count} more", { count: rest })] : [])];
}

/** The lamp of the whole certificate: its word, and a sentence. */
export function verdict({ kept, promises }: Certificate): [word: string, sentence: string] {
  const broken = promises.filter((promise) => !promise.kept);
  if (!kept) {
    const first = broken[0];
    const counts = { broken: broken.length, count: promises.length };
    const sentence =
      first === undefined
        ? t("{broken} of {count} checks failed.", counts)
        : t("{broken} of {count} checks failed. {promise}: {failure}.", { ...counts, promise: promiseName(first.name), failure: failureTexts(first)[0] ?? t("failed") });
    return [t("Promise broken"), sentence];
  }
  const exceptions = promises.filter(({ exception }) => exception !== null).map(({ name }) => promiseName(name));
  const sentence =
    exceptions.length === 0
      ? t("Everything that a browser can check holds.")
      : t("Everything that a browser can check holds, with a documented exception ({promises}).", { promises: exceptions.join(", ") });
  return [t("Promise kept"), sentence];
}

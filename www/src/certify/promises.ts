// The promises that the quick form checks, and what a certificate says about them in words. Pure functions.
import type { Certificate, CertifiedPromise, KernelFailure } from "../messages";

/** Names as the core has them, in the order in which they are checked, and what each means. */
export const PROMISES: readonly (readonly [name: string, meaning: string])[] = [
  ["class", "Every a·b + c is rounded once, or every one twice. Which of the two is the device’s class."],
  ["subnormals", "Numbers below 2⁻¹²⁶ are kept, not replaced by zero."],
  ["division and roots", "Quotients and square roots are correctly rounded."],
  ["run-to-run", "The same run gives the same bits again."],
  ["replica-independent", "A copy has the same bits alone and beside others."],
  ["controls", "k = 1 twice, and k = 2, differ in no bit; k = 3 differs."],
  ["chunks", "Copies that take turns have the same bits as all at once."],
  ["splits", "Work in small pieces has the same bits as work in large ones."],
  ["steps in flight", "Steps that overlap have the same bits as one after the other."],
  ["published runs", "Six short runs have the fingerprints that are published for the class."],
];

/** The class in words. */
export function classText(name: Certificate["arithmetic"]["class"]): string {
  switch (name) {
    case "fused":
      return "rounds a·b + c once: class fused";
    case "separate":
      return "rounds a·b + c twice: class separate";
    case "neither":
      return "rounds a·b + c sometimes once, sometimes twice: no class";
  }
}

/** What a device does with subnormal numbers, in words. */
export function subnormalsText(name: Certificate["arithmetic"]["subnormals"]): string {
  return name === "kept" ? "kept" : "flushed to zero";
}

/** A failure in one line. */
export function failureText(failure: string | KernelFailure): string {
  if (typeof failure === "string") return failure;
  const { kernel, constants, case: what, buffer, element, expected, found } = failure;
  return `${kernel} [${constants}] (${what}): ${buffer}[${element}] is ${found}, expected ${expected}`;
}

/** The failures of a promise, with the number of those that are not listed. */
export function failureTexts({ failures, failure_count: count }: CertifiedPromise): string[] {
  const rest = count - failures.length;
  return [...failures.map(failureText), ...(rest > 0 ? [`and ${rest} more`] : [])];
}

/** The lamp of the whole certificate: its word, and a sentence. */
export function verdict({ kept, promises }: Certificate): [word: string, sentence: string] {
  const broken = promises.filter((promise) => !promise.kept);
  if (!kept) {
    const first = broken[0];
    const where = first === undefined ? "" : ` ${first.name}: ${failureTexts(first)[0] ?? "failed"}.`;
    return ["Promise broken", `${broken.length} of ${promises.length} checks failed.${where}`];
  }
  const exceptions = promises.filter(({ exception }) => exception !== null).map(({ name }) => name);
  const except = exceptions.length === 0 ? "" : `, with a documented exception (${exceptions.join(", ")})`;
  return ["Promise kept", `Everything that a browser can check holds${except}.`];
}

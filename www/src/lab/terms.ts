// The words of the lab with their meanings.
import { t } from "../language/language";
import { type Terms, termsPanel } from "../terms";

const TERMS: Terms = [
  [t("copy, replica"), t("One of the networks that train side by side. They differ in k only: the number by which the copy divides each step and multiplies it again.")],
  [t("control"), t("A copy whose k is a power of two. Dividing by it rounds nothing, so the copy must equal the first one in every bit.")],
  [t("relative L1"), t("The distance of two copies: 2 |a − b| / (|a| + |b|), averaged over the weights a and b. 0 means equal, 2 is the most.")],
  ["ulp", t("The distance of a number from the next one that float32 has (unit in the last place). Two weights that are 1 ulp apart are neighbours.")],
  [t("fingerprint"), t("16 hexadecimal digits computed from all bits of a copy’s weights and momenta. Equal copies have equal fingerprints; one bit changes them.")],
  [t("largest eigenvalue, 2/lr"), t("The largest curvature of the loss, measured on a fixed part of the images. Where it exceeds 2 / learning rate, plain gradient descent makes small deviations grow.")],
  ["Batch Sharpness", t("The curvature of each batch’s loss along its own gradient, averaged over a few batches.")],
  [t("class"), t("How a device computes a · b + c: fused rounds once, separate rounds twice. All devices of a class find the same bits.")],
  [t("tensor, layer"), t("The weights of a network come in blocks, called tensors. A layer of the network has one or a few.")],
  [t("seed"), t("The number from which the starting weights and the order of the images are drawn. The same seed makes the same run.")],
];

/** The meanings, folded. */
export const labTerms = (): HTMLElement => termsPanel(t("What the words mean"), TERMS);

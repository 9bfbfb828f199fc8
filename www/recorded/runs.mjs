// The recorded runs of the page: what record.mjs trains. Names are those that www/src asks for.

/** Chapter 3 and the page without WebGPU: the run of the README's figure with fewer copies and steps. */
const PARTING = {
  name: "parting",
  title: "ResNet-20 on CIFAR-10 parts",
  flags: ["--net", "resnet20", "--dataset", "cifar10", "--ks", "1,3,2", "--batch-size", "32", "--test-limit", "256", "--eval-every", "0"],
  watch: ["conv1.weight"],
  snapshots: [1, 2, 3, 4, 6, 8, 12, 20, 40, 60],
};

/** Chapter 6: the same network at four learning rates. */
const RATES = [0.8, 0.2, 0.05, 0.0125].map((rate) => ({
  name: `rate-${rate}`,
  title: `ResNet-8 with Swish on CIFAR-10 at learning rate ${rate}`,
  flags: [
    ...["--net", "resnet8", "--dataset", "cifar10", "--activation", "swish", "--momentum", "0", "--lr", String(rate)],
    ...["--ks", "1,3,2", "--batch-size", "32", "--test-limit", "256", "--eval-every", "0"],
  ],
  watch: [],
  snapshots: [200],
}));

export const RUNS = [PARTING, ...RATES];

// The recorded runs of the page, which record.mjs trains. www/src fetches them by these names.

/** Chapter 3 and the page without WebGPU: the run of the README's figure with fewer copies and steps. */
const PARTING = {
  name: "parting",
  title: "ResNet-20 on CIFAR-10 parts",
  flags: ["--net", "resnet20", "--dataset", "cifar10", "--ks", "1,3,2", "--batch-size", "32", "--test-limit", "256", "--eval-every", "0"],
  watch: ["conv1.weight"],
  snapshots: [4, 6, 8, 12, 20, 100],
};

/** Chapter 6: sharpness rises to 2/lr, and the copies part beyond; as in www/src/lesson/chapter6.ts, on real images. */
const EDGE = {
  name: "edge",
  title: "A small MLP reaches the edge of stability",
  flags: [
    ...["--net", "mlp2", "--width", "0.25", "--activation", "swish:1", "--loss", "mse", "--dataset", "cifar10", "--ks", "1,3,2", "--lr", "0.05"],
    ...["--momentum", "0", "--weight-decay", "0", "--batch-size", "128", "--train-limit", "128", "--test-limit", "16", "--no-augment", "--no-shuffle"],
    ...["--decay-every", "0", "--epochs", "1000", "--eval-every", "0", "--sharpness", "10", "--sharpness-images", "128"],
  ],
  watch: [],
  snapshots: [240],
};

/** Chapter 7: a ResNet-8 at four learning rates. */
const RATES = [[0.8, 200], [0.2, 200], [0.05, 100], [0.0125, 100]].map(([rate, steps]) => ({
  name: `rate-${rate}`,
  title: `ResNet-8 with Swish on CIFAR-10 at learning rate ${rate}`,
  flags: [
    ...["--net", "resnet8", "--dataset", "cifar10", "--activation", "swish", "--momentum", "0", "--lr", String(rate)],
    ...["--ks", "1,3,2", "--batch-size", "32", "--test-limit", "256", "--eval-every", "0"],
  ],
  watch: [],
  snapshots: [steps],
}));

export const RUNS = [PARTING, EDGE, ...RATES];

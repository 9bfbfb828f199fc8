// In the page: lastbit's CIFAR ResNets in TensorFlow.js, trained on its WebGPU backend. `window.peer` has `build` and `step`.
const { tf } = window;

const MEAN = [0.507, 0.487, 0.441];
const STD = [0.267, 0.256, 0.276];
const RECORD_BYTES = 3073;
const EPSILON = 1e-5;
const WEIGHT_DECAY = 5e-4;

let weights;
let optimizer;
let depth;
let images;
let labels;
/** Of each convolution of a forward pass, while it is counted. */
let flops;

/** The float32 tensors of a safetensors file, by name: variables in TensorFlow's layouts. */
function readWeights(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const trained = Object.entries(header).filter(([name]) => !/__metadata__|running_|num_batches/.test(name));
  return Object.fromEntries(
    trained.map(([name, { shape, data_offsets }]) => {
      const values = new Float32Array(buffer.slice(8 + length + data_offsets[0], 8 + length + data_offsets[1]));
      const tensor = tf.tensor(values, shape);
      // PyTorch's [K][C][kh][kw] are [kh][kw][C][K] here, and [out][in] is [in][out].
      const order = { 4: [2, 3, 1, 0], 2: [1, 0] }[shape.length];
      return [name, tf.variable(order ? tf.transpose(tensor, order) : tensor, true, name)];
    }),
  );
}

/** The first `samples` images `[N][H][W][C]`, normalised, and their labels one-hot. */
function readBatch(buffer, samples) {
  const bytes = new Uint8Array(buffer);
  const pixels = new Float32Array(samples * 3072);
  const classes = new Int32Array(samples);
  for (let n = 0; n < samples; n++) {
    classes[n] = bytes[n * RECORD_BYTES];
    for (let i = 0; i < 3072; i++) {
      const channel = Math.floor(i / 1024);
      pixels[n * 3072 + (i % 1024) * 3 + channel] = (bytes[n * RECORD_BYTES + 1 + i] / 255 - MEAN[channel]) / STD[channel];
    }
  }
  return [tf.tensor4d(pixels, [samples, 32, 32, 3]), tf.oneHot(tf.tensor1d(classes, "int32"), 10)];
}

function convNorm(x, conv, norm, stride) {
  const filter = weights[`${conv}.weight`];
  const y = tf.conv2d(x, filter, stride, Math.floor(filter.shape[0] / 2));
  flops?.push((2 * y.size * filter.size) / filter.shape[3]);
  const { mean, variance } = tf.moments(y, [0, 1, 2]);
  return tf.batchNorm(y, mean, variance, weights[`${norm}.bias`], weights[`${norm}.weight`], EPSILON);
}

function logits() {
  let x = tf.relu(convNorm(images, "conv1", "bn1", 1));
  for (const stage of [1, 2, 3]) {
    for (let block = 0; block < (depth - 2) / 6; block++) {
      const at = `layer${stage}.${block}`;
      const stride = stage > 1 && block === 0 ? 2 : 1;
      const y = tf.relu(convNorm(x, `${at}.conv1`, `${at}.bn1`, stride));
      const shortcut = stride === 2 ? convNorm(x, `${at}.downsample.0`, `${at}.downsample.1`, stride) : x;
      x = tf.relu(tf.add(convNorm(y, `${at}.conv2`, `${at}.bn2`, 1), shortcut));
    }
  }
  return tf.add(tf.matMul(tf.mean(x, [1, 2]), weights["fc.weight"]), weights["fc.bias"]);
}

/** A step of training; the loss before the update, read back. */
async function step() {
  const loss = tf.tidy(() => {
    const { value, grads } = tf.variableGrads(() => tf.losses.softmaxCrossEntropy(labels, logits()));
    for (const name of Object.keys(grads)) grads[name] = tf.add(grads[name], tf.mul(weights[name], WEIGHT_DECAY));
    optimizer.applyGradients(grads);
    return value;
  });
  const [value] = await loss.data();
  loss.dispose();
  return value;
}

async function build(net, samples, files) {
  await tf.setBackend("webgpu");
  await tf.ready();
  const fetched = await Promise.all(files.map(async (path) => (await fetch(path)).arrayBuffer()));
  depth = Number(net.replace("resnet", ""));
  weights = readWeights(fetched[0]);
  [images, labels] = readBatch(fetched[1], samples);
  optimizer = tf.train.momentum(0.1, 0.9, true);
  flops = [];
  tf.tidy(logits);
  const sum = flops.reduce((total, one) => total + one, 0);
  const about = {
    version: `TensorFlow.js ${tf.version.tfjs ?? tf.version_core}`,
    setting: `Chromium, ${tf.getBackend()}`,
    parameters: Object.values(weights).reduce((total, { size }) => total + size, 0),
    flops: 3 * sum - flops[0],
  };
  flops = undefined;
  const losses = [];
  for (let i = 0; i < 3; i++) losses.push(await step());
  return { ...about, losses };
}

window.peer = { build, step };

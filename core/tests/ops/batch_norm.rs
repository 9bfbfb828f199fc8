//! Batch norm in training and evaluation, with and without shortcut and activation, is compared with candle.

use candle_core::Tensor;
use lastbit_core::ops::batch_norm::{Backward, BatchNorm, ChannelBindings, EPSILON, MOMENTUM};
use lastbit_core::ops::{Activation, Shape};

use super::common::{Bench, Failures, Gpu, Outputs, Random, Setting, joined, outputs_by_any_setting};
use super::oracle;

struct Case {
    norm: BatchNorm,
    samples: usize,
    y: Vec<Vec<f32>>,
    shortcut: Vec<Vec<f32>>,
    scale: Vec<Vec<f32>>,
    shift: Vec<Vec<f32>>,
    mean: Vec<Vec<f32>>,
    variance: Vec<Vec<f32>>,
    g: Vec<Vec<f32>>,
}

impl Case {
    fn new(random: &mut Random, norm: BatchNorm, samples: usize, replicas: usize) -> Self {
        let (elements, channels) = (samples * norm.shape.elements() as usize, norm.shape.channels as usize);
        let mut y = random.replicas(replicas, elements);
        // The means are far from 0, so that computing the variance as E[x^2] - E[x]^2 would lose 7 bits.
        let offsets: Vec<_> = (0..channels).map(|_| random.uniform(-12.0, 12.0)).collect();
        for (i, v) in y.iter_mut().flatten().enumerate() {
            *v += offsets[i / (norm.shape.height * norm.shape.width) as usize % channels];
        }
        let variance = random.replicas(replicas, channels);
        Self {
            y,
            shortcut: random.replicas(replicas, elements),
            scale: random.replicas(replicas, channels),
            shift: random.replicas(replicas, channels),
            mean: random.replicas(replicas, channels),
            variance: variance.iter().map(|v| v.iter().map(|v| v.abs() + 0.1).collect()).collect(),
            g: random.replicas(replicas, elements),
            norm,
            samples,
        }
    }

    fn run(&self, gpu: &Gpu, setting: &Setting) -> Outputs {
        let Self { norm, samples, .. } = self;
        let (range, shape) = (setting.replicas.clone(), norm.shape);
        let channels = shape.channels as usize;
        let mut bench = Bench::new(gpu, range.len(), *samples);
        let y = bench.planes(shape, &joined(&self.y[range.clone()]));
        let added = bench.planes(shape, &joined(&self.shortcut[range.clone()]));
        let shortcut = if norm.shortcut { added } else { y };
        let g = bench.planes(shape, &joined(&self.g[range.clone()]));
        let running = bench.arena(&[self.mean[range.clone()].to_vec(), self.variance[range.clone()].to_vec()]);
        bench.rec.job.running_stride = running.stride;
        let parameters = bench.arena(&[self.scale[range.clone()].to_vec(), self.shift[range.clone()].to_vec()]);
        let gradients = bench.fresh_arena(&[shape.channels; 2]);
        let between = shape.channels.next_multiple_of(64);
        let tensors = ChannelBindings {
            scale: bench.tensor(&parameters, 0),
            shift: bench.tensor(&parameters, 1),
            running: bench.tensor(&running, 0),
            mean_to_variance: between,
        };
        let by_channel = channels * range.len();
        let (of_running, of_batch) = (bench.fresh(by_channel * 4), bench.fresh(by_channel * 4));
        let leaves = bench.fresh(norm.leaves(*samples as u32) as usize * 2 * range.len());
        let [evaluated, a, dy] = [(); 3].map(|()| bench.fresh_planes(shape));
        let backward = Backward {
            y,
            coefficients: of_batch,
            shortcut,
            g,
            leaves,
            scale_gradient: bench.tensor(&gradients, 0),
            scale_to_shift: between,
            means: bench.fresh(by_channel * 2),
            dy,
        };
        // Evaluation comes first, because training updates the running statistics.
        norm.running(&mut bench.rec, "norm", tensors, of_running);
        norm.apply(&mut bench.rec, "norm", y, of_running, shortcut, evaluated);
        norm.statistics(&mut bench.rec, "norm", y, leaves, tensors, of_batch);
        norm.apply(&mut bench.rec, "norm", y, of_batch, shortcut, a);
        norm.backward(&mut bench.rec, "norm", backward);
        let done = bench.run(setting.limit_flops);
        vec![
            ("evaluated", done.planes(evaluated, shape)),
            ("a", done.planes(a, shape)),
            ("running mean", done.tensor(&running, 0, channels)),
            ("running variance", done.tensor(&running, 1, channels)),
            ("dy", done.planes(dy, shape)),
            ("dscale", done.tensor(&gradients, 0, channels)),
            ("dshift", done.tensor(&gradients, 1, channels)),
            // The gradient through the activation is also the shortcut's gradient.
            ("dshortcut", done.planes(g, shape)),
        ]
    }

    /// The reference for the outputs of `run`, in the same order.
    fn reference(&self, replica: usize) -> candle_core::Result<Vec<Vec<f64>>> {
        let Self { norm, samples, .. } = self;
        let shape = norm.shape;
        let (n, c) = (*samples as u32, shape.channels);
        let dims = [n, c, shape.height, shape.width];
        let y = oracle::leaf(&self.y[replica], &dims);
        let shortcut = oracle::leaf(&self.shortcut[replica], &dims);
        let [scale, shift, mean, variance] = [&self.scale, &self.shift, &self.mean, &self.variance]
            .map(|values| oracle::leaf(&values[replica], &[1, c, 1, 1]));
        let apply = |mean: &Tensor, variance: &Tensor| {
            let deviation = (variance + f64::from(EPSILON))?.sqrt()?;
            let normalized = y.broadcast_sub(mean)?.broadcast_div(&deviation)?;
            let z = normalized.broadcast_mul(&scale)?.broadcast_add(&shift)?;
            let z = if norm.shortcut { (z + shortcut.as_tensor())? } else { z };
            candle_core::Result::Ok(oracle::activate(&z, norm.activation))
        };
        let evaluated = apply(&mean, &variance)?;
        let batch_mean = y.mean_keepdim((0, 2, 3))?;
        let batch_variance = y.broadcast_sub(&batch_mean)?.sqr()?.mean_keepdim((0, 2, 3))?;
        let a = apply(&batch_mean, &batch_variance)?;
        let count = f64::from(n * shape.height * shape.width);
        let moved = |old: &Tensor, new: &Tensor| (old * f64::from(1.0 - MOMENTUM))? + (new * f64::from(MOMENTUM))?;
        let unbiased = (&batch_variance * (count / (count - 1.0).max(1.0)))?;
        let mut all = vec![
            oracle::values(&evaluated),
            oracle::values(&a),
            oracle::values(&moved(&mean, &batch_mean)?),
            oracle::values(&moved(&variance, &unbiased)?),
        ];
        let g = oracle::constant(&self.g[replica], &dims);
        let leaves = [&y, &scale, &shift];
        all.extend(oracle::gradients(&a, &g, &leaves));
        // Without a shortcut, g becomes the gradient by z, which is the gradient of a shortcut of zeros.
        all.push(if norm.shortcut {
            oracle::gradients(&a, &g, &[&shortcut]).remove(0)
        } else {
            let zero = oracle::leaf(&vec![0.0; self.y[replica].len()], &dims);
            let normalized =
                y.broadcast_sub(&batch_mean)?.broadcast_div(&(&batch_variance + f64::from(EPSILON))?.sqrt()?)?;
            let z = normalized.broadcast_mul(&scale)?.broadcast_add(&shift)?;
            oracle::gradients(&oracle::activate(&(z + zero.as_tensor())?, norm.activation), &g, &[&zero]).remove(0)
        });
        Ok(all)
    }
}

fn check(gpu: &Gpu, failures: &mut Failures, case: &Case) {
    let replicas = case.y.len();
    let name = format!("{:?} N {} R {replicas}", case.norm, case.samples);
    let outputs = outputs_by_any_setting(failures, &name, replicas, &[], |setting| case.run(gpu, setting));
    for replica in 0..replicas {
        let reference = case.reference(replica).expect("shapes that fit");
        for ((what, values), reference) in outputs.iter().zip(&reference) {
            // Means reach 12 deviations: half an ulp of y is 1e-6 of a deviation, and dy is a difference of such values.
            failures.close(&format!("{name}: {what} [{replica}]"), &values[replica], reference, 1e-5);
        }
    }
}

const ACTIVATIONS: [Option<Activation>; 5] = [
    None,
    Some(Activation::Relu),
    Some(Activation::Swish { beta: 5.0 }),
    Some(Activation::Swish { beta: 1.0 }),
    Some(Activation::Tanh),
];

#[test]
fn batch_norms_of_the_networks() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(11);
    for (shape, samples, replicas, shortcut, activation) in [
        (Shape::new(4, 32, 32), 37, 2, false, ACTIVATIONS[1]),
        (Shape::new(16, 16, 16), 9, 6, true, ACTIVATIONS[2]),
        (Shape::new(64, 8, 8), 5, 3, false, ACTIVATIONS[0]),
    ] {
        let norm = BatchNorm { shape, activation, shortcut };
        check(&gpu, &mut failures, &Case::new(&mut random, norm, samples, replicas));
    }
    failures.finish();
}

#[test]
fn batch_norms_of_odd_shapes() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(12);
    for round in 0..20 {
        let (activation, shortcut) = (ACTIVATIONS[round % 4], round / 4 % 2 == 0);
        let shape = Shape::new(random.between(1..=9), random.between(1..=11), random.between(1..=11));
        let norm = BatchNorm { shape, activation, shortcut };
        let samples = [3, 33, 65, 2, 5, 31][round % 6];
        let replicas = random.between(1..=6) as usize;
        check(&gpu, &mut failures, &Case::new(&mut random, norm, samples, replicas));
    }
    failures.finish();
}

#[test]
fn large_values_do_not_overflow() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(13);
    // The squares of these values overflow float32; the squares of their differences do not.
    let norm = BatchNorm { shape: Shape::new(3, 6, 5), activation: None, shortcut: false };
    let mut case = Case::new(&mut random, norm, 33, 2);
    case.y.iter_mut().flatten().for_each(|y| *y = 1e25);
    let outputs = outputs_by_any_setting(&mut failures, "1e25", 2, &[], |setting| case.run(&gpu, setting));
    let plane = (norm.shape.height * norm.shape.width) as usize;
    for (replica, shift) in case.shift.iter().enumerate() {
        let (_, a) = &outputs[1];
        let expected: Vec<_> = (0..a[replica].len()).map(|i| shift[i / plane % shift.len()]).collect();
        failures.equal_bits("a constant channel becomes the shift", &a[replica], &expected);
        for (what, values) in &outputs {
            failures.check(values[replica].iter().all(|v| v.is_finite()), || format!("{what}: {:?}", values[replica]));
        }
    }
    failures.finish();
}

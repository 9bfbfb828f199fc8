//! Group norm, with and without shortcut and activation, is compared with candle.

use lastbit_core::ops::batch_norm::EPSILON;
use lastbit_core::ops::group_norm::{Backward, GroupNorm};
use lastbit_core::ops::{Activation, Shape};

use super::common::{Bench, Failures, Gpu, Outputs, Random, Setting, joined, outputs_by_any_setting};
use super::oracle;

struct Case {
    norm: GroupNorm,
    samples: usize,
    y: Vec<Vec<f32>>,
    shortcut: Vec<Vec<f32>>,
    scale: Vec<Vec<f32>>,
    shift: Vec<Vec<f32>>,
    g: Vec<Vec<f32>>,
}

impl Case {
    fn new(random: &mut Random, norm: GroupNorm, samples: usize, replicas: usize) -> Self {
        let (elements, channels) = (samples * norm.shape.elements() as usize, norm.shape.channels as usize);
        let mut y = random.replicas(replicas, elements);
        // The means are far from 0, so that computing the variance as E[x^2] - E[x]^2 would lose bits.
        y.iter_mut().flatten().for_each(|v| *v += 12.0);
        let [shortcut, g] = [(); 2].map(|()| random.replicas(replicas, elements));
        let [scale, shift] = [(); 2].map(|()| random.replicas(replicas, channels));
        Self { norm, samples, y, shortcut, scale, shift, g }
    }

    fn run(&self, gpu: &Gpu, setting: &Setting) -> Outputs {
        let Self { norm, samples, .. } = self;
        let (range, shape) = (setting.replicas.clone(), norm.shape);
        let mut bench = Bench::new(gpu, range.len(), *samples);
        let y = bench.planes(shape, &joined(&self.y[range.clone()]));
        let added = bench.planes(shape, &joined(&self.shortcut[range.clone()]));
        let shortcut = if norm.shortcut { added } else { y };
        let g = bench.planes(shape, &joined(&self.g[range.clone()]));
        let parameters = bench.arena(&[self.scale[range.clone()].to_vec(), self.shift[range.clone()].to_vec()]);
        let gradients = bench.fresh_arena(&[shape.channels; 2]);
        let planes = samples * shape.channels as usize * range.len();
        let coefficients = bench.fresh(planes * 4);
        let [a, dy] = [(); 2].map(|()| bench.fresh_planes(shape));
        let (scale, shift) = (bench.tensor(&parameters, 0), bench.tensor(&parameters, 1));
        let backward = Backward {
            y,
            coefficients,
            shortcut,
            g,
            sums: bench.fresh(planes * 2),
            scale,
            scale_gradient: bench.tensor(&gradients, 0),
            scale_to_shift: shape.channels.next_multiple_of(64),
            means: bench.fresh(samples * norm.groups() as usize * range.len() * 2),
            dy,
        };
        norm.statistics(&mut bench.rec, "norm", [y, scale, shift, coefficients]);
        norm.apply(&mut bench.rec, "norm", [y, coefficients, shortcut, a]);
        norm.backward(&mut bench.rec, "norm", backward);
        let done = bench.run(setting.limit_flops);
        vec![
            ("a", done.planes(a, shape)),
            ("dy", done.planes(dy, shape)),
            ("dscale", done.tensor(&gradients, 0, shape.channels as usize)),
            ("dshift", done.tensor(&gradients, 1, shape.channels as usize)),
            // The gradient through the activation is also the shortcut's gradient.
            ("dshortcut", done.planes(g, shape)),
        ]
    }

    /// The reference for the outputs of `run`, in the same order. Without a shortcut, one of zeros stands for it.
    fn reference(&self, replica: usize) -> candle_core::Result<Vec<Vec<f64>>> {
        let Self { norm, samples, .. } = self;
        let shape = norm.shape;
        let dims = [*samples as u32, shape.channels, shape.height, shape.width];
        let y = oracle::leaf(&self.y[replica], &dims);
        let zeros = vec![0.0; self.y[replica].len()];
        let shortcut = oracle::leaf(if norm.shortcut { &self.shortcut[replica] } else { &zeros }, &dims);
        let [scale, shift] =
            [&self.scale, &self.shift].map(|values| oracle::leaf(&values[replica], &[1, shape.channels, 1, 1]));
        let groups = y.reshape((*samples, norm.groups() as usize, ()))?;
        let centred = groups.broadcast_sub(&groups.mean_keepdim(2)?)?;
        let deviation = (centred.sqr()?.mean_keepdim(2)? + f64::from(EPSILON))?.sqrt()?;
        let normalized = centred.broadcast_div(&deviation)?.reshape(y.dims())?;
        let z = (normalized.broadcast_mul(&scale)?.broadcast_add(&shift)? + shortcut.as_tensor())?;
        let a = oracle::activate(&z, norm.activation);
        let g = oracle::constant(&self.g[replica], &dims);
        let mut all = vec![oracle::values(&a)];
        all.extend(oracle::gradients(&a, &g, &[&y, &scale, &shift, &shortcut]));
        Ok(all)
    }
}

#[test]
fn group_norms() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(14);
    let activations = [None, Some(Activation::Relu), Some(Activation::Swish { beta: 5.0 }), Some(Activation::Tanh)];
    let mut cases = vec![(Shape::new(16, 32, 32), 3, 2), (Shape::new(64, 8, 8), 5, 3), (Shape::new(20, 16, 16), 2, 1)];
    for _ in 0..16 {
        let shape = Shape::new(random.between(1..=17), random.between(1..=11), random.between(2..=11));
        cases.push((shape, random.between(1..=9) as usize, random.between(1..=6) as usize));
    }
    for (round, (shape, samples, replicas)) in cases.into_iter().enumerate() {
        let norm = GroupNorm { shape, activation: activations[round % 4], shortcut: round / 4 % 2 == 0 };
        let case = Case::new(&mut random, norm, samples, replicas);
        let name = format!("{norm:?} N {samples} R {replicas}");
        let outputs = outputs_by_any_setting(&mut failures, &name, replicas, &[], |setting| case.run(&gpu, setting));
        for replica in 0..replicas {
            let reference = case.reference(replica).expect("shapes that fit");
            for ((what, values), reference) in outputs.iter().zip(&reference) {
                // Means of 12 deviations: half an ulp of y is 1e-6 of a deviation, and dy is a difference of such values.
                failures.close(&format!("{name}: {what} [{replica}]"), &values[replica], reference, 1e-5);
            }
        }
    }
    failures.finish();
}

#[test]
fn groups_have_up_to_eight_channels() {
    let groups = |channels| {
        let norm = GroupNorm { shape: Shape::new(channels, 4, 4), activation: None, shortcut: false };
        (norm.groups(), norm.group())
    };
    assert_eq!([16, 64, 4, 6, 20, 11].map(groups), [(2, 8), (8, 8), (1, 4), (1, 6), (4, 5), (11, 1)]);
}

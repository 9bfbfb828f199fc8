//! The perturbed update is compared with f64, and its exact parts bit for bit. Null controls (k = 1 twice, every k = 2^m)
//! differ in no bit.

use lastbit_core::ops::flip_bit;
use lastbit_core::ops::sgd::{self, Perturbation, ReplicaValues, StepValues};

use super::common::{Bench, Failures, Gpu, Outputs, Random, Setting, outputs_by_any_setting};

const LR: f64 = 0.3;

struct Case {
    perturbation: Perturbation,
    ks: Vec<u32>,
    step: StepValues,
    parameters: Vec<Vec<f32>>,
    momenta: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
}

impl Case {
    fn run(&self, gpu: &Gpu, setting: &Setting, steps: usize) -> Outputs {
        let range = setting.replicas.clone();
        let mut bench = Bench::new(gpu, range.len(), 1);
        let of = |values: &[Vec<f32>]| [values[range.clone()].to_vec()];
        let parameters = bench.arena(&of(&self.parameters));
        let momenta = bench.arena(&of(&self.momenta));
        let gradients = bench.arena(&of(&self.gradients));
        let values: Vec<_> =
            self.ks[range.clone()].iter().map(|k| ReplicaValues::new(*k, LR, self.perturbation)).collect();
        let bindings = sgd::Bindings {
            gradients: bench.whole(&gradients),
            step: bench.bytes(bytemuck::bytes_of(&self.step)),
            replicas: bench.bytes(bytemuck::cast_slice(&values)),
            parameters: bench.whole(&parameters),
            momenta: bench.whole(&momenta),
        };
        for _ in 0..steps {
            sgd::update(&mut bench.rec, self.perturbation, bindings);
        }
        let elements = self.parameters[0].len();
        let done = bench.run(setting.limit_flops);
        vec![("parameters", done.tensor(&parameters, 0, elements)), ("momenta", done.tensor(&momenta, 0, elements))]
    }

    /// Parameters and momenta after one step, in f64.
    fn reference(&self, replica: usize) -> [Vec<f64>; 2] {
        let [weight_decay, momentum, keep, nesterov] =
            [self.step.weight_decay, self.step.momentum, self.step.keep, self.step.nesterov].map(f64::from);
        let (mut parameters, mut momenta) = (Vec::new(), Vec::new());
        for i in 0..self.parameters[replica].len() {
            let [p, buffer, g] =
                [&self.parameters, &self.momenta, &self.gradients].map(|values| f64::from(values[replica][i]));
            let g = g + weight_decay * p;
            let buffer = if keep == 0.0 { g } else { keep * buffer + g };
            let direction = if nesterov != 0.0 {
                g + momentum * buffer
            } else if momentum != 0.0 {
                buffer
            } else {
                g
            };
            momenta.push(buffer);
            // In exact arithmetic k cancels.
            parameters.push(p - LR * direction);
        }
        [parameters, momenta]
    }
}

#[test]
fn updates() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(61);
    for perturbation in [Perturbation::Divide, Perturbation::Reciprocal, Perturbation::Nextafter] {
        for (weight_decay, momentum, first, nesterov) in [
            (5e-4, 0.9, true, 1.0),
            (5e-4, 0.9, false, 1.0),
            (0.1, 0.9, false, 0.0),
            (0.0, 0.9, true, 0.0),
            (5e-4, 0.0, true, 0.0),
            (5e-4, 0.0, false, 0.0),
            // --nesterov has no effect at momentum 0.
            (5e-4, 0.0, false, 1.0),
        ] {
            let ks = vec![1, 3, 5, 7, 11, 63];
            let elements = random.between(1..=300) as usize;
            let mut momenta = random.replicas(ks.len(), elements);
            if first {
                // The first step must not read the momentum buffer.
                momenta.iter_mut().flatten().for_each(|m| *m = f32::NAN);
            }
            let case = Case {
                perturbation,
                step: StepValues { weight_decay, momentum, keep: if first { 0.0 } else { momentum }, nesterov },
                parameters: random.replicas(ks.len(), elements),
                gradients: random.replicas(ks.len(), elements),
                momenta,
                ks,
            };
            let name = format!("{perturbation:?} {:?}", case.step);
            let outputs = outputs_by_any_setting(&mut failures, &name, case.ks.len(), &[], |s| case.run(&gpu, s, 1));
            for r in 0..case.ks.len() {
                for ((what, values), reference) in outputs.iter().zip(case.reference(r)) {
                    // About six roundings.
                    failures.close(&format!("{name}: {what} [{r}]"), &values[r], &reference, 1e-6);
                }
            }
        }
    }
    failures.finish();
}

#[test]
fn a_step_from_zero_has_the_bits_of_the_exact_quotient() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(62);
    let ks: Vec<u32> = (1..=63).collect();
    let gradient = random.normals(4096);
    for perturbation in [Perturbation::Divide, Perturbation::Reciprocal] {
        let case = Case {
            perturbation,
            step: StepValues { weight_decay: 0.0, momentum: 0.0, keep: 0.0, nesterov: 0.0 },
            parameters: vec![vec![0.0; gradient.len()]; ks.len()],
            momenta: vec![vec![0.0; gradient.len()]; ks.len()],
            gradients: vec![gradient.clone(); ks.len()],
            ks: ks.clone(),
        };
        let setting = Setting { tile: Default::default(), limit_flops: u64::MAX, replicas: 0..ks.len() };
        let outputs = case.run(&gpu, &setting, 1);
        for (k, parameters) in ks.iter().zip(&outputs[0].1) {
            // 0 - rate * d rounds once, fused or not.
            let rate = (LR * f64::from(*k)) as f32;
            let divided = |g: f32| match perturbation {
                Perturbation::Reciprocal => g * ((1.0 / f64::from(*k)) as f32),
                _ => g / *k as f32,
            };
            let expected: Vec<_> = gradient.iter().map(|g| -rate * divided(*g)).collect();
            failures.equal_bits(&format!("{perturbation:?} k {k}"), parameters, &expected);
        }
    }
    failures.finish();
}

#[test]
fn equal_ks_and_powers_of_two_are_controls() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(63);
    let ks = vec![1, 1, 2, 4, 8, 16, 32, 3];
    let elements = 5000;
    let [parameters, gradients] = [(); 2].map(|()| vec![random.normals(elements); ks.len()]);
    for perturbation in [Perturbation::Divide, Perturbation::Reciprocal] {
        let case = Case {
            perturbation,
            step: StepValues { weight_decay: 5e-4, momentum: 0.9, keep: 0.9, nesterov: 1.0 },
            momenta: vec![vec![0.0; elements]; ks.len()],
            parameters: parameters.clone(),
            gradients: gradients.clone(),
            ks: ks.clone(),
        };
        let setting = Setting { tile: Default::default(), limit_flops: u64::MAX, replicas: 0..ks.len() };
        for (what, values) in case.run(&gpu, &setting, 20) {
            for r in 1..ks.len() - 1 {
                failures.equal_bits(&format!("{perturbation:?} {what} k {}", ks[r]), &values[r], &values[0]);
            }
            // The comparison must be able to find a difference: k = 3 is not a control.
            failures.check(values[ks.len() - 1] != values[0], || format!("{what}: k = 3 has the bits of k = 1"));
        }
    }
    failures.finish();
}

#[test]
fn a_flipped_bit_is_one_bit() {
    let gpu = Gpu::new();
    let (replicas, elements) = (3, 100);
    let before = Random::new(64).replicas(replicas, elements);
    let mut bench = Bench::new(&gpu, replicas, 1);
    let arena = bench.arena(std::slice::from_ref(&before));
    let parameters = bench.whole(&arena);
    flip_bit::flip(&mut bench.rec, parameters, arena.offsets[0] + 42, 1);
    let mut after = bench.run(u64::MAX).floats(parameters);
    after.truncate(arena.stride as usize * replicas);
    let mut expected = vec![1e30f32; (arena.stride as usize) * replicas];
    for (r, values) in before.iter().enumerate() {
        expected[r * arena.stride as usize + 64..][..elements].copy_from_slice(values);
    }
    let flipped = &mut expected[arena.stride as usize + 64 + 42];
    *flipped = f32::from_bits(flipped.to_bits() ^ 1);
    let mut failures = Failures::default();
    failures.equal_bits("arena", &after, &expected);
    failures.finish();
}

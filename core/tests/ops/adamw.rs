//! AdamW's perturbed update is compared with f64. Null controls (k = 1 twice, every k = 2^m) differ in no bit.

use lastbit_core::ops::adamw::{self, Coefficients, StepValues};
use lastbit_core::ops::sgd::{Perturbation, ReplicaValues};

use super::common::{Bench, Failures, Gpu, Outputs, Random, Setting, outputs_by_any_setting};

const LR: f64 = 0.01;

struct Case {
    perturbation: Perturbation,
    ks: Vec<u32>,
    coefficients: Coefficients,
    /// Number of the first step, from 1.
    step: u64,
    parameters: Vec<Vec<f32>>,
    /// Means of gradients and of their squares.
    means: [Vec<Vec<f32>>; 2],
    gradients: Vec<Vec<f32>>,
}

impl Case {
    /// One step, or several with the same gradients and the first step's bias corrections.
    fn run(&self, gpu: &Gpu, setting: &Setting, steps: usize) -> Outputs {
        let range = setting.replicas.clone();
        let mut bench = Bench::new(gpu, range.len(), 1);
        let of = |values: &[Vec<f32>]| [values[range.clone()].to_vec()];
        let parameters = bench.arena(&of(&self.parameters));
        let means = self.means.each_ref().map(|values| bench.arena(&of(values)));
        let gradients = bench.arena(&of(&self.gradients));
        let values: Vec<_> =
            self.ks[range.clone()].iter().map(|k| ReplicaValues::new(*k, LR, self.perturbation)).collect();
        let bindings = adamw::Bindings {
            gradients: bench.whole(&gradients),
            step: bench.bytes(bytemuck::bytes_of(&StepValues::new(self.coefficients, self.step, LR))),
            replicas: bench.bytes(bytemuck::cast_slice(&values)),
            parameters: bench.whole(&parameters),
            means: means.each_ref().map(|arena| bench.whole(arena)),
        };
        for _ in 0..steps {
            adamw::update(&mut bench.rec, self.perturbation, bindings);
        }
        let elements = self.parameters[0].len();
        let done = bench.run(setting.limit_flops);
        let named = [("parameters", &parameters), ("means", &means[0]), ("mean squares", &means[1])];
        named.map(|(name, arena)| (name, done.tensor(arena, 0, elements))).to_vec()
    }

    /// Parameters and means after one step, in f64, with PyTorch's formulas.
    fn reference(&self, replica: usize) -> [Vec<f64>; 3] {
        let Coefficients { beta1, beta2, epsilon, weight_decay } = self.coefficients;
        let bias = |beta: f64| 1.0 - beta.powi(self.step as i32);
        let mut found = [const { Vec::new() }; 3];
        for i in 0..self.parameters[replica].len() {
            let [p, mean, squares, g] = [&self.parameters, &self.means[0], &self.means[1], &self.gradients]
                .map(|values| f64::from(values[replica][i]));
            let mean = beta1 * mean + (1.0 - beta1) * g;
            let squares = beta2 * squares + (1.0 - beta2) * g * g;
            let direction = mean / bias(beta1) / ((squares / bias(beta2)).sqrt() + epsilon);
            // In exact arithmetic k cancels.
            let p = p * (1.0 - LR * weight_decay) - LR * direction;
            [p, mean, squares].into_iter().zip(&mut found).for_each(|(value, values)| values.push(value));
        }
        found
    }
}

const USUAL: Coefficients = Coefficients { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 };

/// Means of squares, which are not negative.
fn squared(values: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
    values.into_iter().map(|values| values.into_iter().map(|value| value * value).collect()).collect()
}

#[test]
fn updates() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(64);
    for perturbation in [Perturbation::Divide, Perturbation::Reciprocal, Perturbation::Nextafter] {
        for (coefficients, step) in [
            (USUAL, 1),
            (USUAL, 7),
            (USUAL, 100_000),
            (Coefficients { beta1: 0.0, beta2: 0.9, epsilon: 0.1, weight_decay: 0.0 }, 2),
            (Coefficients { beta1: 0.5, beta2: 0.0, epsilon: 1e-3, weight_decay: 2.0 }, 3),
        ] {
            let ks = vec![1, 3, 5, 7, 11, 63];
            let elements = random.between(1..=300) as usize;
            let mut means = [(); 2].map(|()| random.replicas(ks.len(), elements));
            if step == 1 {
                means.iter_mut().flatten().flatten().for_each(|mean| *mean = 0.0);
            }
            let [mean, squares] = means;
            let case = Case {
                perturbation,
                coefficients,
                step,
                parameters: random.replicas(ks.len(), elements),
                gradients: random.replicas(ks.len(), elements),
                means: [mean, squared(squares)],
                ks,
            };
            let name = format!("{perturbation:?} {coefficients:?} step {step}");
            let outputs = outputs_by_any_setting(&mut failures, &name, case.ks.len(), &[], |s| case.run(&gpu, s, 1));
            for r in 0..case.ks.len() {
                for ((what, values), reference) in outputs.iter().zip(case.reference(r)) {
                    // About ten roundings.
                    failures.close(&format!("{name}: {what} [{r}]"), &values[r], &reference, 2e-6);
                }
            }
        }
    }
    failures.finish();
}

#[test]
fn equal_ks_and_powers_of_two_are_controls() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(65);
    let ks = vec![1, 1, 2, 4, 8, 16, 32, 3];
    let elements = 5000;
    let [parameters, gradients] = [(); 2].map(|()| vec![random.normals(elements); ks.len()]);
    for perturbation in [Perturbation::Divide, Perturbation::Reciprocal] {
        let zeros = || vec![vec![0.0; elements]; ks.len()];
        let case = Case {
            perturbation,
            coefficients: USUAL,
            step: 1,
            means: [zeros(), zeros()],
            parameters: parameters.clone(),
            gradients: gradients.clone(),
            ks: ks.clone(),
        };
        let setting = Setting { tile: Default::default(), limit_flops: u64::MAX, replicas: 0..ks.len() };
        for (what, values) in case.run(&gpu, &setting, 20) {
            for r in 1..ks.len() - 1 {
                failures.equal_bits(&format!("{perturbation:?} {what} k {}", ks[r]), &values[r], &values[0]);
            }
            // k acts on the step of the parameters alone; there the comparison must be able to find a difference.
            let is_parted = values[ks.len() - 1] != values[0];
            failures.check(is_parted == (what == "parameters"), || format!("{what}: k = 3 against k = 1: {is_parted}"));
        }
    }
    failures.finish();
}

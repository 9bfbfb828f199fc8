//! The perturbed update of AdamW (Loshchilov & Hutter 2019), in the form of PyTorch's `torch.optim.AdamW`: all parameters of all
//! replicas in one launch.

use bytemuck::{Pod, Zeroable};

use super::sgd::Perturbation;
use super::workgroups;
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// Coefficients of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coefficients {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root of the mean of squares.
    pub epsilon: f64,
    /// Weight decay.
    pub weight_decay: f64,
}

/// Values of a step that all replicas share. They match `Step` in the shader. Each is computed in f64 and rounded once.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct StepValues {
    /// `lr weight_decay`.
    pub decay: f32,
    /// `1 - beta1`.
    pub blend: f32,
    /// `beta2`.
    pub keep_squares: f32,
    /// `1 - beta2`.
    pub blend_squares: f32,
    /// Bias correction of the mean, `1 / (1 - beta1^t)` at step t.
    pub correction: f32,
    /// Bias correction of the root of the mean of squares, `1 / sqrt(1 - beta2^t)`.
    pub root_correction: f32,
    /// `epsilon`.
    pub epsilon: f32,
    /// Padding.
    pub unused: u32,
}

impl StepValues {
    /// The values of `step` (from 1) at learning rate `lr`.
    #[must_use]
    pub fn new(coefficients: Coefficients, step: u64, lr: f64) -> Self {
        let Coefficients { beta1, beta2, epsilon, weight_decay } = coefficients;
        let [correction, root_correction] = bias_corrections(coefficients, step);
        let [decay, blend, keep_squares, blend_squares, correction, root_correction, epsilon] =
            [lr * weight_decay, 1.0 - beta1, beta2, 1.0 - beta2, correction, root_correction, epsilon]
                .map(|x| x as f32);
        Self { decay, blend, keep_squares, blend_squares, correction, root_correction, epsilon, unused: 0 }
    }
}

/// `1 / (1 - beta1^t)` and `1 / sqrt(1 - beta2^t)` at step t (from 1). `libm` gives every platform the same bits.
#[must_use]
pub fn bias_corrections(Coefficients { beta1, beta2, .. }: Coefficients, step: u64) -> [f64; 2] {
    let bias = |beta: f64| 1.0 - libm::pow(beta, step as f64);
    [1.0 / bias(beta1), 1.0 / libm::sqrt(bias(beta2))]
}

/// The update's bindings. An arena holds tensors of each replica, `[replica][parameter]`, padded to 64 floats.
#[derive(Clone, Copy, Debug)]
pub struct Bindings {
    /// Arenas of gradients.
    pub gradients: Binding,
    /// One [`StepValues`].
    pub step: Binding,
    /// `[R]` of [`super::sgd::ReplicaValues`].
    pub replicas: Binding,
    /// Arenas of parameters.
    pub parameters: Binding,
    /// Arenas of the mean of gradients and the mean of their squares. Both are zero before the first step.
    pub means: [Binding; 2],
}

/// Appends the update.
pub fn update(rec: &mut Recording, perturbation: Perturbation, bindings: Bindings) {
    let Bindings { gradients, step, replicas, parameters, means: [mean, mean_squares] } = bindings;
    let reciprocal = perturbation == Perturbation::Reciprocal;
    let kernel = Kernel::new(Shader::AdamwUpdate, &[("RECIPROCAL", reciprocal.into())]);
    let elements = u64::from(rec.job.parameter_stride);
    let bindings = [gradients, step, replicas, parameters, mean, mean_squares];
    rec.dispatch("update", kernel, &bindings, workgroups(elements), Work::new(elements * 20, elements * 28));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_is_corrected_in_full() {
        let coefficients = Coefficients { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 };
        let first = StepValues::new(coefficients, 1, 0.5);
        let [mean, root] = [first.blend * first.correction, first.blend_squares * first.root_correction.powi(2)];
        assert!((mean - 1.0).abs() < 2e-7 && (root - 1.0).abs() < 4e-7, "{mean} {root}");
        assert_eq!((first.decay, first.keep_squares), (0.005, 0.999));
        let late = StepValues::new(coefficients, 1 << 40, 0.5);
        assert_eq!([late.correction, late.root_correction], [1.0; 2]);
        // Without averages the direction is the sign of the gradient.
        let none = StepValues::new(Coefficients { beta1: 0.0, beta2: 0.0, ..coefficients }, 1, 0.5);
        assert_eq!([none.blend, none.keep_squares, none.correction, none.root_correction], [1.0, 0.0, 1.0, 1.0]);
    }
}

//! The formulas of docs/RULES.md in float64, shared by the float64 trainer, the equations and the front ends.

use crate::ops::Activation;
use crate::ops::cross_entropy::Loss;
use crate::ops::sgd::Perturbation;

/// 1 / (1 + e^-u), without overflow.
#[must_use]
pub fn sigmoid(u: f64) -> f64 {
    let e = libm::exp(-u.abs());
    if u < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

/// The activation with its first and second derivative at z.
#[must_use]
pub fn activate(activation: Activation, z: f64) -> [f64; 3] {
    match activation {
        Activation::Relu => {
            // NaN stays NaN.
            let on = f64::from(u8::from(z > 0.0));
            [z * on, on, 0.0]
        }
        Activation::Swish { beta } => {
            let beta = f64::from(beta);
            let s = sigmoid(beta * z);
            let slope = beta * s * (1.0 - s);
            [z * s, s + z * slope, slope * (2.0 + beta * z * (1.0 - 2.0 * s))]
        }
        Activation::Tanh => {
            let a = libm::tanh(z);
            let slope = 1.0 - a * a;
            [a, slope, -2.0 * a * slope]
        }
    }
}

/// Binary cross-entropy of the logit u: ln(1 + e^u) - label u, without overflow. Its derivative is `sigmoid(u) - label`.
#[must_use]
pub fn binary_cross_entropy(u: f64, label: f64) -> f64 {
    u.max(0.0) - label * u + libm::log1p(libm::exp(-u.abs()))
}

/// The loss of one sample (a cross-entropy in nats) and its gradient with respect to the logits.
#[must_use]
pub fn cross_entropy(loss: Loss, logits: &[f64], label: u32) -> (f64, Vec<f64>) {
    match loss {
        Loss::SoftmaxCrossEntropy => {
            let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|l| libm::exp(l - most)).sum();
            let target = |k: usize| f64::from(u8::from(k == label as usize));
            let gradient = logits.iter().enumerate().map(|(k, l)| libm::exp(l - most) / sum - target(k));
            (libm::log(sum) - (logits[label as usize] - most), gradient.collect())
        }
        Loss::SigmoidBinaryCrossEntropy => {
            let label = f64::from(label);
            (binary_cross_entropy(logits[0], label), vec![sigmoid(logits[0]) - label])
        }
        Loss::SquaredError => {
            let residual = |(k, l): (usize, &f64)| l - f64::from(u8::from(k == label as usize));
            let residuals: Vec<f64> = logits.iter().enumerate().map(residual).collect();
            (0.5 * residuals.iter().map(|r| r * r).sum::<f64>(), residuals)
        }
    }
}

/// The perturbed step of one replica at one learning rate: `value - lr k (d / k)`, rounded after every operation.
#[derive(Clone, Copy, Debug)]
pub struct PerturbedStep {
    k: f64,
    rate: f64,
    reciprocal: f64,
    is_reciprocal: bool,
}

impl PerturbedStep {
    /// The step of divisor `k` at learning rate `lr`. [`Perturbation::Nextafter`] does not perturb steps.
    #[must_use]
    pub fn new(perturbation: Perturbation, k: u32, lr: f64) -> Self {
        let k = if perturbation == Perturbation::Nextafter { 1.0 } else { f64::from(k) };
        Self { k, rate: lr * k, reciprocal: 1.0 / k, is_reciprocal: perturbation == Perturbation::Reciprocal }
    }

    /// `value` after a step along `direction`.
    #[must_use]
    pub fn apply(&self, value: f64, direction: f64) -> f64 {
        let divided = if self.is_reciprocal { direction * self.reciprocal } else { direction / self.k };
        value - self.rate * divided
    }
}

/// The relative L1 distance of two tensors: mean over the elements of 2|a-b| / (|a|+|b|), in [0, 2]. An element counts 0 where both
/// are equal or have the same bits; otherwise 2 where one is not finite.
#[must_use]
pub fn relative_l1<T: Copy + Into<f64>>(a: &[T], b: &[T]) -> f64 {
    let of = |(a, b): (&T, &T)| match ((*a).into(), (*b).into()) {
        (a, b) if a == b || a.to_bits() == b.to_bits() => 0.0,
        (a, b) if !(a.is_finite() && b.is_finite()) => 2.0,
        (a, b) => 2.0 * (a - b).abs() / (a.abs() + b.abs()),
    };
    a.iter().zip(b).map(of).sum::<f64>() / a.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::relative_l1;

    #[test]
    fn the_distance_is_the_paper_s() {
        assert_eq!(relative_l1(&[1.0_f32, 0.0, 2.0, f32::NAN], &[3.0, -0.0, 2.0, 1.0]), (1.0 + 2.0) / 4.0);
        assert_eq!(relative_l1(&[f64::NAN], &[f64::NAN]), 0.0);
        assert_eq!(relative_l1::<f64>(&[], &[]), 0.0);
    }
}

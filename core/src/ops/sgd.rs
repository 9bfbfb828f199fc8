//! The perturbed update of all parameters of all replicas in one launch.

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};

use super::workgroups;
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// How a replica's integer k enters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Perturbation {
    /// d / k correctly rounded, then times fl(lr k).
    #[default]
    Divide,
    /// d * fl(1/k), then times fl(lr k): what the authors' CUDA code did.
    Reciprocal,
    /// One weight moved by one ulp at the start, the update itself unperturbed (Summers & Dinneen 2021); k says which.
    Nextafter,
}

/// Values of a step that all replicas share: fields of `Step` in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct StepValues {
    /// Weight decay.
    pub weight_decay: f32,
    /// Momentum.
    pub momentum: f32,
    /// Momentum, or 0 in the first step.
    pub keep: f32,
    /// 1 for Nesterov's form, else 0.
    pub nesterov: f32,
}

/// One replica's values of a step: fields of `Perturbation` in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct ReplicaValues {
    /// The divisor.
    pub k: u32,
    /// fl(lr k), formed in f64 and rounded once.
    pub rate: f32,
    /// fl(1 / k).
    pub reciprocal: f32,
    /// Padding.
    pub unused: u32,
}

impl ReplicaValues {
    /// Values of divisor `k` at learning rate `lr`.
    #[must_use]
    pub fn new(k: u32, lr: f64, perturbation: Perturbation) -> Self {
        let k = if perturbation == Perturbation::Nextafter { 1 } else { k };
        let (rate, reciprocal) = ((lr * f64::from(k)) as f32, (1.0 / f64::from(k)) as f32);
        Self { k, rate, reciprocal, unused: 0 }
    }
}

/// What the update reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Bindings {
    /// `[R]` arenas.
    pub gradients: Binding,
    /// One [`StepValues`].
    pub step: Binding,
    /// `[R]` of [`ReplicaValues`].
    pub replicas: Binding,
    /// `[R]` arenas.
    pub parameters: Binding,
    /// `[R]` arenas.
    pub momenta: Binding,
}

/// Appends the update.
pub fn update(rec: &mut Recording, perturbation: Perturbation, bindings: Bindings) {
    let Bindings { gradients, step, replicas, parameters, momenta } = bindings;
    let reciprocal = perturbation == Perturbation::Reciprocal;
    let kernel = Kernel::new(Shader::SgdUpdate, &[("RECIPROCAL", reciprocal.into())]);
    let elements = u64::from(rec.job.parameter_stride);
    let bindings = [gradients, step, replicas, parameters, momenta];
    rec.dispatch("update", kernel, &bindings, workgroups(elements), Work::new(elements * 10, elements * 20));
}

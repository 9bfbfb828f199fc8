//! The perturbed update of all parameters of all replicas in one launch.

use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};

use super::workgroups;
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// How a replica's integer k enters the update; d is the direction of the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Perturbation {
    /// d / k, correctly rounded, times fl(lr k).
    #[default]
    Divide,
    /// d * fl(1/k), times fl(lr k), as in the authors' CUDA code.
    Reciprocal,
    /// The update is not perturbed. Instead one weight, selected by k, moves by one ulp at the start (Summers & Dinneen 2021).
    Nextafter,
}

impl Perturbation {
    /// All forms.
    pub const ALL: [Self; 3] = [Self::Divide, Self::Reciprocal, Self::Nextafter];

    /// The name in configs and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Divide => "divide",
            Self::Reciprocal => "reciprocal",
            Self::Nextafter => "nextafter",
        }
    }
}

impl std::str::FromStr for Perturbation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|form| form.name() == text.trim());
        found.ok_or_else(|| "use divide, reciprocal or nextafter".to_owned())
    }
}

/// Values of a step that all replicas share. They match `Step` in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct StepValues {
    /// Weight decay.
    pub weight_decay: f32,
    /// Momentum.
    pub momentum: f32,
    /// Factor of the old momentum: `momentum`, or 0 in the first step.
    pub keep: f32,
    /// 1 for Nesterov momentum, else 0.
    pub nesterov: f32,
}

/// Values of a step for one replica. They match `Perturbation` in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct ReplicaValues {
    /// The divisor k.
    pub k: u32,
    /// fl(lr k), computed in f64 and rounded once.
    pub rate: f32,
    /// fl(1 / k).
    pub reciprocal: f32,
    /// Padding.
    pub unused: u32,
}

impl ReplicaValues {
    /// The values for divisor `k` at learning rate `lr`.
    #[must_use]
    pub fn new(k: u32, lr: f64, perturbation: Perturbation) -> Self {
        let k = if perturbation == Perturbation::Nextafter { 1 } else { k };
        let (rate, reciprocal) = ((lr * f64::from(k)) as f32, (1.0 / f64::from(k)) as f32);
        Self { k, rate, reciprocal, unused: 0 }
    }
}

/// The update's bindings. An arena holds tensors of each replica, `[replica][parameter]`, padded to 64 floats.
#[derive(Clone, Copy, Debug)]
pub struct Bindings {
    /// Arenas of gradients.
    pub gradients: Binding,
    /// One [`StepValues`].
    pub step: Binding,
    /// `[R]` of [`ReplicaValues`].
    pub replicas: Binding,
    /// Arenas of parameters.
    pub parameters: Binding,
    /// Arenas of momenta.
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

//! The config of a run, which a TOML file, command-line flags and a page's URL express alike.

mod checks;
mod kinds;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use kinds::{DatasetKind, LossKind, LrChange};

use super::optimizer::{Optimizer, UpdateRule};
use super::poke::{Perturb, Poke};
use super::run_length::RunLength;
use super::schedule::{Schedule, learning_rate, warmed_up};
use crate::nets::{NetError, NetKind, Network, Norm};
use crate::ops::cross_entropy::Loss;
use crate::ops::sgd::Perturbation;
use crate::ops::{Activation, Shape, adamw};

/// The config of a training run. The defaults are the paper's values (docs/RULES.md).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrainConfig {
    /// Network.
    #[serde(with = "as_text")]
    pub net: NetKind,
    /// Factor on the channels of a ResNet, PreResNet, WideResNet or VGG, or on the units of an MLP's hidden layers; 1 as published.
    pub width: f64,
    /// Nonlinearity; by default ReLU, tanh for an MLP, and Swish with beta 1 for the one-layer network.
    pub activation: Option<Activation>,
    /// Norm of a ResNet, PreResNet, WideResNet or VGG.
    #[serde(skip_serializing_if = "Norm::is_default")]
    pub norm: Norm,
    /// Loss.
    #[serde(skip_serializing_if = "LossKind::is_default")]
    pub loss: LossKind,
    /// Data set.
    pub dataset: DatasetKind,
    /// Divisors k, one for each replica; all replicas are compared with the first.
    pub ks: Vec<u32>,
    /// How k enters the update.
    pub perturbation: Perturbation,
    /// Perturbation of each replica's weights before one step; empty for none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub perturb: Vec<Perturb>,
    /// Seed of initialisation, sample order and augmentation, where no separate seed is set.
    pub seed: u64,
    /// Seed of the initial weights.
    pub seed_init: Option<u64>,
    /// Seed of the sample order.
    pub seed_order: Option<u64>,
    /// Seed of the augmentation.
    pub seed_augment: Option<u64>,
    /// Number of samples in a batch.
    pub batch_size: u32,
    /// Initial learning rate.
    pub lr: f64,
    /// Learning rates that replace the initial one, in ascending order of steps. They warm up and fall as the initial one would.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lr_changes: Vec<LrChange>,
    /// How the learning rate falls.
    pub schedule: Schedule,
    /// Number of steps over which the learning rate rises from `lr / warmup` to `lr`.
    pub warmup: u64,
    /// How gradients become updates.
    pub optimizer: Optimizer,
    /// Momentum coefficient of SGD; 0 is plain SGD.
    pub momentum: f64,
    /// Nesterov's form of momentum, for SGD.
    pub nesterov: bool,
    /// AdamW's decay of the mean of gradients.
    pub beta1: f64,
    /// AdamW's decay of the mean of squared gradients.
    pub beta2: f64,
    /// What AdamW adds to the root of the mean of squares.
    pub epsilon: f64,
    /// Weight decay of every parameter: the L2 coefficient of SGD, decoupled from the gradients in AdamW.
    pub weight_decay: f64,
    /// Number of epochs after which the run ends, unless `steps` ends it earlier.
    pub epochs: u32,
    /// Number of steps after which the run ends, unless `epochs` ends it earlier.
    pub steps: Option<u64>,
    /// Epochs between learning-rate decays of the schedule `step`; 0 never decays.
    pub decay_every: u32,
    /// Factor of a decay.
    pub decay_factor: f64,
    /// Epochs between evaluations; 0 evaluates at the end only.
    pub eval_every: u32,
    /// Steps between `layers` lines; by default they are dense at the start and sparser later.
    pub log_every: Option<u64>,
    /// Steps between measurements of the first replica's curvature, the first one before the first step; `None` for no measurement.
    pub sharpness: Option<u64>,
    /// Training images on which the largest eigenvalue is measured, in whole batches and at least one; by default 1024.
    pub sharpness_images: Option<usize>,
    /// Steps after which each replica but the first returns to its entry of `lyapunov_distances`; `None` for no Lyapunov exponent.
    pub lyapunov: Option<u64>,
    /// Distances of the replicas after the first one, in the Euclidean norm of all parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lyapunov_distances: Vec<f64>,
    /// Random crop and flip.
    pub augment: bool,
    /// Random sample order.
    pub shuffle: bool,
    /// Use only the first N training images.
    pub train_limit: Option<usize>,
    /// Use only the first N test images.
    pub test_limit: Option<usize>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            net: NetKind::ResNet { depth: 56 },
            width: 1.0,
            activation: None,
            norm: Norm::Batch,
            loss: LossKind::CrossEntropy,
            dataset: DatasetKind::Cifar10,
            ks: vec![1, 3, 5, 7, 9, 11],
            perturbation: Perturbation::Divide,
            perturb: Vec::new(),
            seed: 1,
            seed_init: None,
            seed_order: None,
            seed_augment: None,
            batch_size: 128,
            lr: 0.1,
            lr_changes: Vec::new(),
            schedule: Schedule::Step,
            warmup: 0,
            optimizer: Optimizer::Sgd,
            momentum: MOMENTUM,
            nesterov: true,
            beta1: BETA1,
            beta2: BETA2,
            epsilon: EPSILON,
            weight_decay: 5e-4,
            epochs: 200,
            steps: None,
            decay_every: DECAY_EVERY,
            decay_factor: DECAY_FACTOR,
            eval_every: 1,
            log_every: None,
            sharpness: None,
            sharpness_images: None,
            lyapunov: None,
            lyapunov_distances: Vec::new(),
            augment: true,
            shuffle: true,
            train_limit: None,
            test_limit: None,
        }
    }
}

/// An invalid value, with its key in `config.toml`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{key}: {problem}")]
pub struct ConfigError {
    key: &'static str,
    problem: String,
}

impl ConfigError {
    /// An error about the value of `key`.
    pub(super) fn new(key: &'static str, problem: String) -> Self {
        Self { key, problem }
    }
}

/// Largest divisor that the exact division supports (rule 5 of docs/RULES.md).
pub const MAX_K: u32 = 63;
/// Training images on which the largest eigenvalue is measured, if the config does not say.
pub const SHARPNESS_IMAGES: usize = 1024;
/// SGD's momentum as published.
const MOMENTUM: f64 = 0.9;
/// AdamW's coefficients, as in the paper and in PyTorch.
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;
/// Epochs between learning-rate decays as published.
const DECAY_EVERY: u32 = 40;
/// Factor of a decay as published.
const DECAY_FACTOR: f64 = 0.1;
/// Most replicas in a run.
const MAX_REPLICAS: usize = 256;

impl TrainConfig {
    /// The nonlinearity: the configured one, or the network's default.
    #[must_use]
    pub fn activation(&self) -> Activation {
        self.activation.unwrap_or(match self.net {
            NetKind::OneLayer => Activation::Swish { beta: 1.0 },
            NetKind::Mlp { .. } => Activation::Tanh,
            _ => Activation::Relu,
        })
    }

    /// The network for images of shape `input` in `classes` classes.
    ///
    /// # Errors
    /// [`NetError`] if the network does not support such images or the width.
    pub fn network(&self, input: Shape, classes: u32) -> Result<Network, NetError> {
        let mut network = self.net.build_with(self.norm, input, classes, self.activation(), self.width)?;
        if self.loss == LossKind::Mse {
            network.loss = Loss::SquaredError;
        }
        Ok(network)
    }

    /// Replicas whose bits must equal the first one's, by position: the null controls (rule 4 of docs/RULES.md).
    #[must_use]
    pub fn controls(&self) -> Vec<usize> {
        let Some(&first) = self.ks.first() else {
            return Vec::new();
        };
        let equal = |k: u32| match self.perturbation {
            Perturbation::Nextafter => k == first,
            Perturbation::Divide | Perturbation::Reciprocal => {
                let (small, large) = (k.min(first), k.max(first));
                // A config that is not validated may contain k = 0.
                large.checked_rem(small) == Some(0) && (large / small).is_power_of_two()
            }
        };
        let is_poked = |r: usize| self.perturb(r) != self.perturb(0) || self.lyapunov.is_some();
        (1..self.ks.len()).filter(|&r| equal(self.ks[r]) && !is_poked(r)).collect()
    }

    /// Refuses a run that changes weights between its steps, for those who only compute the steps.
    ///
    /// # Errors
    /// [`ConfigError`] with the key to leave out.
    pub fn check_undisturbed(&self) -> Result<(), ConfigError> {
        let problem = "only a training run on a device changes weights between steps: leave it out";
        let refuse = |key| Err(ConfigError::new(key, problem.to_owned()));
        match () {
            () if self.perturb.iter().any(|perturb| perturb.0.is_some()) => refuse("perturb"),
            () if self.lyapunov.is_some() => refuse("lyapunov"),
            () => Ok(()),
        }
    }

    /// The perturbation of a replica's weights, if it has one.
    #[must_use]
    pub fn perturb(&self, replica: usize) -> Option<&Poke> {
        self.perturb.get(replica)?.0.as_ref()
    }

    /// This config with only the given replicas, by position; the first one must be 0.
    #[must_use]
    pub fn with_replicas(&self, replicas: &[usize]) -> Self {
        Self {
            ks: replicas.iter().map(|&r| self.ks[r]).collect(),
            perturb: replicas.iter().filter_map(|&r| self.perturb.get(r).cloned()).collect(),
            lyapunov_distances: replicas[1..]
                .iter()
                .filter_map(|&r| self.lyapunov_distances.get(r - 1).copied())
                .collect(),
            ..self.clone()
        }
    }

    /// Whether the run evaluates gradients at other weights than those that it trains, which takes memory of its own.
    #[must_use]
    pub fn needs_probe(&self) -> bool {
        let pokes = self.perturb.iter().filter_map(|perturb| perturb.0.as_ref());
        self.sharpness.is_some() || pokes.into_iter().any(Poke::needs_gradient)
    }

    /// What distinguishes a replica, for labels: `k = 3`, or what is done to its weights where all have the same k.
    #[must_use]
    pub fn label(&self, replica: usize) -> String {
        let k = self.ks[replica];
        let is_one_k = self.ks.iter().all(|other| *other == k);
        let distance = self.lyapunov.and(replica.checked_sub(1)).and_then(|r| self.lyapunov_distances.get(r));
        let done = match (self.perturb(replica), distance) {
            (Some(poke), Some(distance)) => Some(format!("at distance {distance:e}, {}", poke.label())),
            (Some(poke), None) => Some(poke.label()),
            (None, Some(distance)) => Some(format!("at distance {distance:e}")),
            (None, None) if self.perturb.is_empty() && self.lyapunov.is_none() => None,
            (None, None) => Some("undisturbed".to_owned()),
        };
        match done {
            Some(done) if is_one_k => done,
            Some(done) => format!("k = {k}, {done}"),
            None => format!("k = {k}"),
        }
    }

    /// The learning rate of `step` (from 1) in a run of `length`: the last rate set by then, warmed up, with all that the schedule has
    /// taken from it by then.
    #[must_use]
    pub fn lr_at(&self, step: u64, length: RunLength) -> f64 {
        let changed = self.lr_changes.iter().rev().find(|change| change.step <= step);
        let whole = changed.map_or(self.lr, |change| change.lr);
        let rate = match self.schedule {
            Schedule::Step => {
                let epoch = step.saturating_sub(1) / length.per_epoch.max(1);
                learning_rate(whole, self.decay_every, self.decay_factor, epoch)
            }
            schedule => whole * schedule.part_left(step, self.warmup, length),
        };
        rate * warmed_up(step, self.warmup)
    }

    /// Whether this config's optimiser or schedule does not use `key`.
    #[must_use]
    pub fn ignores(&self, key: &str) -> bool {
        match key {
            "momentum" | "nesterov" => self.optimizer != Optimizer::Sgd,
            "beta1" | "beta2" | "epsilon" => self.optimizer != Optimizer::AdamW,
            "decay-every" | "decay-factor" => self.schedule != Schedule::Step,
            _ => false,
        }
    }

    /// What fixes the kernels of the update.
    #[must_use]
    pub fn update_rule(&self) -> UpdateRule {
        UpdateRule { optimizer: self.optimizer, perturbation: self.perturbation }
    }

    /// AdamW's coefficients.
    #[must_use]
    pub fn adamw_coefficients(&self) -> adamw::Coefficients {
        let Self { beta1, beta2, epsilon, weight_decay, .. } = *self;
        adamw::Coefficients { beta1, beta2, epsilon, weight_decay }
    }
}

/// Serialises values as text, by `Display` and `FromStr`.
mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;

//! The config of a run, which a TOML file, command-line flags and a page's URL express alike.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::optimizer::{Optimizer, UpdateRule};
use super::poke::{Perturb, Poke};
use super::run_length::RunLength;
use super::schedule::{Schedule, learning_rate, warmed_up};
use crate::nets::{NetError, NetKind, Network, Norm};
use crate::ops::cross_entropy::Loss;
use crate::ops::sgd::Perturbation;
use crate::ops::{Activation, Shape, adamw};

/// Which images to train on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetKind {
    /// CIFAR-10, binary version.
    #[default]
    Cifar10,
    /// Fashion-MNIST, IDX files.
    FashionMnist,
    /// PNG and JPEG images in folders named by their class.
    Folder,
    /// Procedural images in ten classes; for the one-layer network, the checkerboard.
    Synthetic,
}

impl DatasetKind {
    /// Every kind, in the order of help texts.
    pub const ALL: [Self; 4] = [Self::Cifar10, Self::FashionMnist, Self::Folder, Self::Synthetic];
}

impl std::str::FromStr for DatasetKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.to_string() == text)
            .ok_or_else(|| format!("unknown data set '{text}': use cifar10, fashion-mnist, folder or synthetic"))
    }
}

impl std::fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cifar10 => "cifar10",
            Self::FashionMnist => "fashion-mnist",
            Self::Folder => "folder",
            Self::Synthetic => "synthetic",
        })
    }
}

/// What a network with a logit for each class minimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Cross-entropy of the softmax; binary cross-entropy in the one-layer network.
    #[default]
    CrossEntropy,
    /// Mean squared error as in Cohen et al. 2021: half the squared distance of the logits from the one-hot label, summed over the
    /// classes, averaged over the samples.
    Mse,
}

impl LossKind {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl std::str::FromStr for LossKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "cross-entropy" => Ok(Self::CrossEntropy),
            "mse" => Ok(Self::Mse),
            _ => Err(format!("unknown loss '{text}': use cross-entropy or mse")),
        }
    }
}

impl std::fmt::Display for LossKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::CrossEntropy => "cross-entropy",
            Self::Mse => "mse",
        })
    }
}

/// A learning rate that replaces the initial one from a step on; as text `STEP:LR`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LrChange {
    /// First step with this learning rate, from 1.
    pub step: u64,
    /// The learning rate.
    pub lr: f64,
}

impl std::str::FromStr for LrChange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once(':').and_then(|(step, lr)| Some((step.trim().parse().ok()?, lr.trim().parse().ok()?)));
        let (step, lr) = parts.ok_or_else(|| format!("'{text}' is not STEP:LR, as in 20:0.01"))?;
        Ok(Self { step, lr })
    }
}

impl TryFrom<String> for LrChange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl std::fmt::Display for LrChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.step, self.lr)
    }
}

impl From<LrChange> for String {
    fn from(change: LrChange) -> Self {
        change.to_string()
    }
}

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
            (Some(poke), _) => Some(poke.label()),
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

    /// Refuses coefficients out of range, and those of another optimiser that are not at their defaults.
    fn check_optimizer(&self) -> Result<(), ConfigError> {
        let fail = |key, problem: String| Err(ConfigError::new(key, problem));
        let decays = [("momentum", self.momentum), ("beta1", self.beta1), ("beta2", self.beta2)];
        if let Some((key, value)) = decays.into_iter().find(|(_, value)| !(0.0..1.0).contains(value)) {
            return fail(key, format!("must be at least 0 and below 1, not {value}"));
        }
        match self.optimizer {
            Optimizer::Sgd => {
                let own =
                    [("beta1", self.beta1, BETA1), ("beta2", self.beta2, BETA2), ("epsilon", self.epsilon, EPSILON)];
                if let Some((key, ..)) = own.into_iter().find(|(_, value, default)| value != default) {
                    return fail(key, "sgd does not use it: leave it out, or use the optimizer adamw".to_owned());
                }
                if self.momentum as f32 == 1.0 {
                    return fail("momentum", format!("{} is 1 in float32: use at most 0.9999999", self.momentum));
                }
                in_float32("momentum", self.momentum, 1.0)
            }
            Optimizer::AdamW => {
                if ![0.0, MOMENTUM].contains(&self.momentum) {
                    let remedy =
                        "adamw does not use it: leave it out (adamw has beta1 and beta2), or use the optimizer sgd";
                    return fail("momentum", remedy.to_owned());
                }
                if !(self.epsilon.is_finite() && self.epsilon > 0.0) {
                    return fail("epsilon", format!("must be a positive number, not {}", self.epsilon));
                }
                in_float32("epsilon", self.epsilon, 1.0)?;
                in_float32("beta1", self.beta1, 1.0)?;
                in_float32("beta2", self.beta2, 1.0)
            }
        }
    }

    /// Refuses decays by epochs that the schedule does not make.
    fn check_schedule(&self) -> Result<(), ConfigError> {
        if self.schedule == Schedule::Step {
            return Ok(());
        }
        let name = self.schedule.name();
        let remedy = format!("the schedule {name} decays at every step: leave it out, or use the schedule step");
        if ![0, DECAY_EVERY].contains(&self.decay_every) {
            return Err(ConfigError::new("decay-every", remedy));
        }
        if self.decay_factor != DECAY_FACTOR {
            return Err(ConfigError::new("decay-factor", remedy));
        }
        Ok(())
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`ConfigError`] with the key of the first invalid value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let fail = |key, problem: String| Err(ConfigError { key, problem });
        if self.ks.is_empty() || self.ks.len() > MAX_REPLICAS {
            return fail("ks", format!("give 1 to {MAX_REPLICAS} divisors, not {}", self.ks.len()));
        }
        if let Some(k) = self.ks.iter().find(|k| !(1..=MAX_K).contains(*k)) {
            return fail("ks", format!("every k must be between 1 and {MAX_K}, not {k}"));
        }
        if !self.perturb.is_empty() && self.perturb.len() != self.ks.len() {
            let (found, wanted) = (self.perturb.len(), self.ks.len());
            return fail(
                "perturb",
                format!("give one entry for each replica, `none` for no perturbation: {found} for {wanted}"),
            );
        }
        self.perturb.iter().filter_map(|perturb| perturb.0.as_ref()).try_for_each(Poke::validate)?;
        self.validate_measurements()?;
        if self.norm != Norm::Batch && matches!(self.net, NetKind::OneLayer | NetKind::Mlp { .. }) {
            return fail("norm", format!("{} has no norms: leave it out", self.net));
        }
        if self.loss == LossKind::Mse && self.net == NetKind::OneLayer {
            return fail("loss", "one-layer has one logit and binary cross-entropy: use cross-entropy".to_owned());
        }
        if self.batch_size == 0 || self.batch_size > 65_536 {
            return fail("batch-size", format!("must be between 1 and 65536, not {}", self.batch_size));
        }
        if !(self.lr.is_finite() && self.lr > 0.0) {
            return fail("lr", format!("must be a positive number, not {}", self.lr));
        }
        if let Some(change) = self.lr_changes.iter().find(|change| !(change.lr.is_finite() && change.lr > 0.0)) {
            return fail("lr-changes", format!("every learning rate must be a positive number, not {}", change.lr));
        }
        // The update multiplies by fl(lr k).
        let most_k = self.ks.iter().copied().max().unwrap_or(1);
        let rates = std::iter::once(("lr", self.lr)).chain(self.lr_changes.iter().map(|c| ("lr-changes", c.lr)));
        for (key, lr) in rates {
            in_float32(key, lr, 1.0)?;
            in_float32(key, lr, f64::from(most_k))?;
        }
        let changed_at = std::iter::once(0).chain(self.lr_changes.iter().map(|change| change.step));
        if !changed_at.is_sorted_by(|a, b| a < b) {
            return fail("lr-changes", "steps must be at least 1 and strictly ascending".to_owned());
        }
        self.check_optimizer()?;
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return fail("weight-decay", format!("must be at least 0, not {}", self.weight_decay));
        }
        in_float32("weight-decay", self.weight_decay, 1.0)?;
        if !(self.decay_factor.is_finite() && self.decay_factor > 0.0 && self.decay_factor <= 1.0) {
            return fail("decay-factor", format!("must be above 0 and at most 1, not {}", self.decay_factor));
        }
        self.check_schedule()?;
        if self.epochs == 0 {
            return fail("epochs", "must be at least 1".to_owned());
        }
        for (key, value) in [("train-limit", self.train_limit), ("test-limit", self.test_limit)] {
            if value == Some(0) {
                return fail(key, "must be at least 1".to_owned());
            }
        }
        if self.steps == Some(0) || self.log_every == Some(0) {
            let key = if self.steps == Some(0) { "steps" } else { "log-every" };
            return fail(key, "must be at least 1".to_owned());
        }
        Ok(())
    }

    /// Checks what is measured along the run.
    fn validate_measurements(&self) -> Result<(), ConfigError> {
        let fail = |key, problem: String| Err(ConfigError { key, problem });
        for (key, value) in [("sharpness", self.sharpness), ("lyapunov", self.lyapunov)] {
            if value == Some(0) {
                return fail(key, "must be at least 1".to_owned());
            }
        }
        if self.sharpness_images == Some(0) {
            return fail("sharpness-images", "must be at least 1".to_owned());
        }
        let (distances, others) = (&self.lyapunov_distances, self.ks.len() - 1);
        if self.lyapunov.is_none() && !distances.is_empty() {
            return fail(
                "lyapunov-distances",
                "say with lyapunov after how many steps replicas return to them".to_owned(),
            );
        }
        if self.lyapunov.is_some() && (distances.len() != others || others == 0) {
            let found = distances.len();
            return fail(
                "lyapunov-distances",
                format!("give one for each replica after the first: {found} for {others}"),
            );
        }
        match distances.iter().find(|d| !(**d >= 1e-12 && **d <= 1e12)) {
            Some(bad) => {
                fail("lyapunov-distances", format!("every distance must be between 1e-12 and 1e12, not {bad}"))
            }
            None => Ok(()),
        }
    }

    /// Refuses a batch that is larger than the training set.
    ///
    /// # Errors
    /// [`ConfigError`] with both sizes.
    pub fn check_batch(&self, training_images: usize) -> Result<(), ConfigError> {
        if self.batch_size as usize > training_images {
            return Err(ConfigError {
                key: "batch-size",
                problem: format!("{} is larger than the training set ({training_images} images)", self.batch_size),
            });
        }
        Ok(())
    }
}

/// Refuses a nonzero number whose product with `k` is zero, infinite or subnormal in float32. GPUs may treat subnormal numbers
/// as 0.
fn in_float32(key: &'static str, value: f64, k: f64) -> Result<(), ConfigError> {
    let product = (value * k) as f32;
    if value == 0.0 || product.is_normal() {
        return Ok(());
    }
    let times = if k == 1.0 { String::new() } else { format!(" times k = {k}") };
    let (size, remedy) = match product.is_infinite() {
        true => {
            let most = format!("{:e}", f64::from(f32::MAX) / k);
            let (digits, power) = most.split_once('e').unwrap_or((&most, "0"));
            // Two digits, rounded down.
            ("large", format!("at most {digits:.3}e{power}"))
        }
        false => ("small", "at least 1.2e-38".to_owned()),
    };
    Err(ConfigError { key, problem: format!("{value:e}{times} is too {size} for float32: use {remedy}") })
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
mod tests {
    use super::*;

    #[test]
    fn controls_have_equal_k_or_a_power_of_two() {
        let with = |ks: &[u32]| TrainConfig { ks: ks.to_vec(), ..Default::default() }.controls();
        assert_eq!(with(&[1, 3, 2, 1, 8, 6]), [2, 3, 4]);
        assert_eq!(with(&[3, 6, 12, 9, 1]), [1, 2]);
        let nextafter = TrainConfig { ks: vec![1, 2, 1], perturbation: Perturbation::Nextafter, ..Default::default() };
        assert_eq!(nextafter.controls(), [2]);
    }

    #[test]
    fn steps_alone_cannot_be_disturbed() {
        let plain = TrainConfig { ks: vec![1, 1], ..Default::default() };
        assert!(plain.check_undisturbed().is_ok());
        let poked = TrainConfig { perturb: vec!["none".parse().unwrap(), "1:ulp:1".parse().unwrap()], ..plain.clone() };
        assert_eq!(poked.check_undisturbed().unwrap_err().key, "perturb");
        let displaced = TrainConfig { lyapunov: Some(5), lyapunov_distances: vec![0.1], ..plain };
        assert_eq!(displaced.check_undisturbed().unwrap_err().key, "lyapunov");
    }

    fn changes(text: &str) -> Vec<LrChange> {
        text.split(',').map(|change| change.parse().unwrap()).collect()
    }

    #[test]
    fn learning_rates_change_and_then_decay() {
        let config = TrainConfig { lr_changes: changes("20:0.01,21:0.5"), decay_every: 2, ..Default::default() };
        let length = RunLength { per_epoch: 1000, steps: 3000, evaluations: 3, measurements: 0 };
        let rates = [1, 19, 20, 21, 1000, 2000, 2001].map(|step| config.lr_at(step, length));
        assert_eq!(rates, [0.1, 0.1, 0.01, 0.5, 0.5, 0.5, 0.5 * 0.1]);
        assert_eq!(serde_json::to_value(&config).unwrap()["lr-changes"], serde_json::json!(["20:0.01", "21:0.5"]));
        assert_eq!(serde_json::to_value(TrainConfig::default()).unwrap().get("lr-changes"), None);
        for bad in ["20", "x:0.1", "20:", "20:0.1:3", "-1:0.1"] {
            assert!(bad.parse::<LrChange>().unwrap_err().contains("STEP:LR"), "{bad}");
        }
    }

    #[test]
    fn learning_rates_warm_up_and_fall() {
        let length = RunLength { per_epoch: 3, steps: 6, evaluations: 2, measurements: 0 };
        let rates = |config: &TrainConfig| [1, 2, 3, 4, 5, 6].map(|step| config.lr_at(step, length));
        let base = TrainConfig { lr: 0.5, warmup: 2, ..TrainConfig::default() };
        assert_eq!(rates(&TrainConfig { decay_every: 1, ..base.clone() }), [0.25, 0.5, 0.5, 0.05, 0.05, 0.05]);
        let linear = TrainConfig { schedule: Schedule::Linear, ..base };
        assert_eq!(rates(&linear), [0.25, 0.5, 0.5, 0.375, 0.25, 0.125]);
        // Another rate keeps the part of the schedule.
        let changed = TrainConfig { lr_changes: changes("2:1,5:0.25"), ..linear.clone() };
        assert_eq!(rates(&changed), [0.25, 1.0, 1.0, 0.75, 0.125, 0.0625]);
        for config in [
            TrainConfig { decay_every: 3, ..linear.clone() },
            TrainConfig { decay_factor: 0.5, schedule: Schedule::Cosine, ..linear.clone() },
        ] {
            let message = config.validate().unwrap_err().to_string();
            assert!(message.starts_with("decay-") && message.contains("at every step: leave it out"), "{message}");
        }
        assert_eq!(TrainConfig { decay_every: 0, ..linear }.validate(), Ok(()));
    }

    #[test]
    fn coefficients_belong_to_their_optimizer() {
        let adamw = || TrainConfig { optimizer: Optimizer::AdamW, ..TrainConfig::default() };
        for (config, message) in [
            (TrainConfig { beta1: 0.8, ..TrainConfig::default() }, "beta1: sgd does not use it: leave it out"),
            (TrainConfig { epsilon: 0.1, ..TrainConfig::default() }, "epsilon: sgd does not use it"),
            (
                TrainConfig { momentum: 0.5, ..adamw() },
                "momentum: adamw does not use it: leave it out (adamw has beta1",
            ),
            (TrainConfig { beta2: 1.0, ..adamw() }, "beta2: must be at least 0 and below 1, not 1"),
            (TrainConfig { beta1: f64::NAN, ..adamw() }, "beta1: must be at least 0"),
            (TrainConfig { epsilon: 0.0, ..adamw() }, "epsilon: must be a positive number, not 0"),
            (TrainConfig { epsilon: 1e-40, ..adamw() }, "epsilon: 1e-40 is too small for float32"),
        ] {
            let found = config.validate().unwrap_err().to_string();
            assert!(found.starts_with(message), "{found}");
        }
        for config in [adamw(), TrainConfig { momentum: 0.0, beta1: 0.0, beta2: 0.9, epsilon: 1.0, ..adamw() }] {
            assert_eq!(config.validate(), Ok(()));
        }
        let text = serde_json::to_string(&adamw()).unwrap();
        assert!(text.contains(r#""optimizer":"adamw""#), "{text}");
    }

    #[test]
    fn bad_values_name_their_key() {
        let base = TrainConfig::default;
        let bad = [
            TrainConfig { ks: vec![1, 0], ..base() },
            TrainConfig { ks: vec![64], ..base() },
            TrainConfig { ks: vec![], ..base() },
            TrainConfig { lr: -0.1, ..base() },
            TrainConfig { lr: f64::NAN, ..base() },
            TrainConfig { lr_changes: changes("5:0"), ..base() },
            TrainConfig { lr_changes: changes("0:0.1"), ..base() },
            TrainConfig { lr_changes: changes("5:0.1,5:0.2"), ..base() },
            TrainConfig { batch_size: 0, ..base() },
            TrainConfig { net: NetKind::OneLayer, loss: LossKind::Mse, ..base() },
            TrainConfig { net: NetKind::Mlp { layers: 2 }, norm: Norm::None, ..base() },
            TrainConfig { momentum: 1.0, ..base() },
            TrainConfig { weight_decay: f64::INFINITY, ..base() },
        ];
        for config in bad {
            let message = config.validate().unwrap_err().to_string();
            let keys =
                ["norm: ", "loss: ", "ks: ", "lr: ", "lr-changes: ", "batch-size: ", "momentum: ", "weight-decay: "];
            assert!(keys.iter().any(|key| message.starts_with(key)), "{message}");
        }
        assert_eq!(base().validate(), Ok(()));
    }

    #[test]
    fn numbers_that_float32_cannot_hold_are_refused() {
        let base = TrainConfig::default;
        let with_lr = |lr| TrainConfig { lr, ..base() };
        let with_change = |text| TrainConfig { lr_changes: changes(text), ..base() };
        let with_momentum = |momentum| TrainConfig { momentum, ..base() };
        let with_decay = |weight_decay| TrainConfig { weight_decay, ..base() };
        let (small, large) = ("too small for float32: use at least 1.2e-38", "too large for float32: use at most 3.");
        for (config, message) in [
            (with_lr(1e-50), format!("lr: 1e-50 is {small}")),
            (with_lr(1e-40), format!("lr: 1e-40 is {small}")),
            (with_lr(1e39), format!("lr: 1e39 is {large}4e38")),
            (with_lr(1e38), format!("lr: 1e38 times k = 11 is {large}0e37")),
            (with_change("5:1e-50"), format!("lr-changes: 1e-50 is {small}")),
            (with_change("5:0.1,6:1e39"), format!("lr-changes: 1e39 is {large}4e38")),
            (with_momentum(1e-50), format!("momentum: 1e-50 is {small}")),
            (
                with_momentum(0.999_999_999_9),
                "momentum: 0.9999999999 is 1 in float32: use at most 0.9999999".to_owned(),
            ),
            (with_decay(1e39), format!("weight-decay: 1e39 is {large}4e38")),
            (with_decay(1e-50), format!("weight-decay: 1e-50 is {small}")),
        ] {
            assert_eq!(config.validate().unwrap_err().to_string(), message);
        }
        for config in
            [with_lr(1.2e-38), with_lr(3.0e37), with_momentum(0.0), with_momentum(0.999_999_9), with_decay(3.4e38)]
        {
            assert_eq!(config.validate(), Ok(()), "{config:?}");
        }
    }

    #[test]
    fn a_batch_is_no_larger_than_the_training_set() {
        let base = TrainConfig::default;
        assert!(base().check_batch(100).is_err());
    }

    #[test]
    fn config_survives_json() {
        let config =
            TrainConfig { activation: Some(Activation::Swish { beta: 5.0 }), steps: Some(100), ..Default::default() };
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<TrainConfig>(&text).unwrap(), config);
        assert!(serde_json::from_str::<TrainConfig>(r#"{"learning-rate": 1}"#).is_err());
    }
}

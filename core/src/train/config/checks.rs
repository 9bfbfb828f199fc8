//! Checks of a config's values.

use super::{
    BETA1, BETA2, ConfigError, DECAY_EVERY, DECAY_FACTOR, EPSILON, LossKind, MAX_K, MAX_REPLICAS, MOMENTUM, TrainConfig,
};
use crate::nets::{NetKind, Norm};
use crate::train::optimizer::Optimizer;
use crate::train::poke::Poke;
use crate::train::schedule::Schedule;

impl TrainConfig {
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
                format!(
                    "give one entry for each of the {wanted} replicas, `none` for the undisturbed ones, as in none,100:ulp:1; not {found}"
                ),
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
        if self.sharpness.is_none() && self.sharpness_images.is_some() {
            return fail(
                "sharpness-images",
                "give sharpness, too: the number of steps between measurements, as in --sharpness 100".to_owned(),
            );
        }
        let (distances, others) = (&self.lyapunov_distances, self.ks.len() - 1);
        if self.lyapunov.is_none() && !distances.is_empty() {
            return fail(
                "lyapunov-distances",
                "give lyapunov, too: the number of steps after which replicas return to these distances, as in --lyapunov 5".to_owned(),
            );
        }
        if self.lyapunov.is_some() && (distances.len() != others || others == 0) {
            let found = distances.len();
            return fail(
                "lyapunov-distances",
                format!("give one for each replica after the first, as in 0.001,0.01: {others}, not {found}"),
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

//! Schedules: learning rate and log cadence.

use std::f64::consts::FRAC_PI_2;

use serde::{Deserialize, Serialize};

use super::run_length::RunLength;

/// How the learning rate falls over a run (docs/RULES.md, "The algorithm").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Times the decay factor after every so many epochs.
    #[default]
    Step,
    /// Half a cosine, from the whole rate after the warm-up to 0 after the run's last step.
    Cosine,
    /// A straight line, from the whole rate after the warm-up to 0 after the run's last step.
    Linear,
}

impl Schedule {
    /// All schedules.
    pub const ALL: [Self; 3] = [Self::Step, Self::Cosine, Self::Linear];

    /// The name in configs and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Cosine => "cosine",
            Self::Linear => "linear",
        }
    }

    /// Whether the rates depend on the length of the run, so that a run cannot become longer.
    #[must_use]
    pub fn depends_on_length(self) -> bool {
        self != Self::Step
    }

    /// The part of the rate that is left at `step` (from 1) of a run of `length` that begins with `warmup` steps of warm-up. It is 1 at the
    /// first step after the warm-up and above 0 at the last step: the fall would reach 0 one step later. `Step` counts epochs instead.
    #[must_use]
    pub fn part_left(self, step: u64, warmup: u64, length: RunLength) -> f64 {
        let (all, left) = (length.steps.saturating_sub(warmup), (length.steps + 1).saturating_sub(step));
        if self == Self::Step || step <= warmup || all == 0 {
            return 1.0;
        }
        let left = left as f64 / all as f64;
        match self {
            Self::Step | Self::Linear => left,
            Self::Cosine => {
                // (1 + cos(pi (1 - left))) / 2, without the cancellation near the end.
                let root = libm::sin(FRAC_PI_2 * left);
                root * root
            }
        }
    }
}

impl std::str::FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|schedule| schedule.name() == text.trim());
        found.ok_or_else(|| "use step, cosine or linear".to_owned())
    }
}

/// The part of the rate that a warm-up of `warmup` steps allows at `step` (from 1): `step / warmup`, then 1.
#[must_use]
pub fn warmed_up(step: u64, warmup: u64) -> f64 {
    if step < warmup { step as f64 / warmup as f64 } else { 1.0 }
}

/// Learning rate in `epoch` (from 0): `lr * factor^(epoch / every)` by repeated products, so that every platform
/// gets the same bits.
#[must_use]
pub fn learning_rate(lr: f64, every: u32, factor: f64, epoch: u64) -> f64 {
    let decays = if every == 0 { 0 } else { epoch / u64::from(every) };
    // A factor of 1 or a rate of 0 changes nothing any more; the bound keeps absurd epochs cheap.
    (0..decays.min(10_000)).fold(lr, |rate, _| rate * factor)
}

/// Whether `step` (from 1) gets `layers` lines: every `log_every`-th step. By default each of the first 20, then every
/// 10th up to 200, every 100th up to 2000, and every 500th after that.
#[must_use]
pub fn logs_layers(log_every: Option<u64>, step: u64) -> bool {
    match (log_every, step) {
        (Some(every), _) => step.is_multiple_of(every.max(1)),
        (None, 0..=20) => true,
        (None, 21..=200) => step.is_multiple_of(10),
        (None, 201..=2000) => step.is_multiple_of(100),
        (None, _) => step.is_multiple_of(500),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decays_every_forty_epochs() {
        let at = |epoch| learning_rate(0.1, 40, 0.1, epoch);
        assert_eq!([at(0), at(39)], [0.1, 0.1]);
        assert_eq!([at(40), at(80)], [0.1 * 0.1, 0.1 * 0.1 * 0.1]);
        assert_eq!(learning_rate(0.1, 0, 0.1, 1000), 0.1);
    }

    /// The parts that are left at each step of a run.
    fn parts(schedule: Schedule, warmup: u64, steps: u64) -> Vec<f64> {
        let length = RunLength { per_epoch: 3, steps, evaluations: 1, measurements: 0 };
        (1..=steps).map(|step| schedule.part_left(step, warmup, length)).collect()
    }

    #[test]
    fn the_rate_falls_from_the_warm_up_to_just_above_zero() {
        assert_eq!(parts(Schedule::Linear, 0, 4), [1.0, 0.75, 0.5, 0.25]);
        assert_eq!(parts(Schedule::Linear, 2, 6), [1.0, 1.0, 1.0, 0.75, 0.5, 0.25]);
        assert_eq!(parts(Schedule::Step, 2, 4), [1.0; 4]);
        for (i, part) in parts(Schedule::Cosine, 0, 1000).into_iter().enumerate() {
            let expected = f64::midpoint(1.0, libm::cos(std::f64::consts::PI * i as f64 / 1000.0));
            assert!((part - expected).abs() < 1e-15, "step {}: {part} {expected}", i + 1);
        }
        assert_eq!(parts(Schedule::Cosine, 1, 3)[..2], [1.0, 1.0]);
        // The last step of a run of a billion steps.
        let length = RunLength { per_epoch: 3, steps: 1_000_000_000, evaluations: 1, measurements: 0 };
        let last = Schedule::Cosine.part_left(length.steps, 0, length);
        assert!((last / (FRAC_PI_2 * 1e-9).powi(2) - 1.0).abs() < 1e-12, "{last}");
    }

    #[test]
    fn a_warm_up_ends_at_the_whole_rate() {
        assert_eq!([1, 2, 3, 4, 5].map(|step| warmed_up(step, 4)), [0.25, 0.5, 0.75, 1.0, 1.0]);
        assert_eq!(warmed_up(1, 0), 1.0);
        // A run that ends within its warm-up.
        assert_eq!(parts(Schedule::Cosine, 9, 3), [1.0; 3]);
    }

    #[test]
    fn layers_are_logged_densely_at_the_start() {
        let logged = (1..=2000).filter(|&s| logs_layers(None, s)).count();
        assert_eq!(logged, 20 + 18 + 18);
        assert!(logs_layers(Some(7), 14) && !logs_layers(Some(7), 15));
    }
}

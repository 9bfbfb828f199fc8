//! How many steps and evaluations a run has.

use super::config::TrainConfig;

/// Length of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLength {
    /// Steps in an epoch.
    pub per_epoch: u64,
    /// Steps in all.
    pub steps: u64,
    /// Evaluations in all.
    pub evaluations: u64,
    /// Measurements of the curvature in all.
    pub measurements: u64,
}

impl TrainConfig {
    /// Length of the run on `training_images` images.
    #[must_use]
    pub fn length(&self, training_images: usize) -> RunLength {
        let per_epoch = training_images.div_ceil(self.batch_size.max(1) as usize) as u64;
        let by_epochs = u64::from(self.epochs).saturating_mul(per_epoch);
        let steps = self.steps.map_or(by_epochs, |steps| steps.min(by_epochs));
        let interval = u64::from(self.eval_every).saturating_mul(per_epoch);
        let regular = steps.checked_div(interval).unwrap_or(0);
        // The end of the run is always evaluated.
        let evaluations = regular + u64::from(interval == 0 || !steps.is_multiple_of(interval));
        let measurements = self.sharpness.map_or(0, |every| 1 + steps / every.max(1));
        RunLength { per_epoch, steps, evaluations, measurements }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_as_long_as_its_epochs_or_steps() {
        let length = |config: TrainConfig, images| {
            let RunLength { per_epoch, steps, evaluations, measurements } = config.length(images);
            assert_eq!(
                measurements,
                config.sharpness.map_or(0, |every| (0..=steps).step_by(every as usize).count() as u64)
            );
            [per_epoch, steps, evaluations]
        };
        let base = TrainConfig { batch_size: 128, epochs: 200, ..TrainConfig::default() };
        assert_eq!(length(base.clone(), 50_000), [391, 78_200, 200]);
        assert_eq!(length(TrainConfig { steps: Some(1000), ..base.clone() }, 50_000), [391, 1000, 3]);
        assert_eq!(length(TrainConfig { eval_every: 0, ..base.clone() }, 50_000), [391, 78_200, 1]);
        assert_eq!(length(TrainConfig { eval_every: 3, epochs: 7, ..base.clone() }, 256), [2, 14, 3]);
        assert_eq!(length(TrainConfig { sharpness: Some(3), epochs: 7, ..base }, 256), [2, 14, 7]);
    }
}

//! Schedules: learning rate and log cadence.

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

    #[test]
    fn layers_are_logged_densely_at_the_start() {
        let logged = (1..=2000).filter(|&s| logs_layers(None, s)).count();
        assert_eq!(logged, 20 + 18 + 18);
        assert!(logs_layers(Some(7), 14) && !logs_layers(Some(7), 15));
    }
}

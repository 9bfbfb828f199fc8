//! Checks of the values of flags. Errors begin with the flag to change.

use lastbit_core::pde::PdeError;
use lastbit_core::train::TrainConfig;

use crate::failure::Failure;

/// Checks the value of a flag that must be above 0, also in float32.
pub fn check_positive(flag: &str, value: f64) -> Result<(), Failure> {
    if !(value.is_finite() && value > 0.0) {
        return Err(Failure::usage(format!("{flag}: must be a positive number, not {value}")));
    }
    // The adapter computes in float32.
    if (value as f32).is_normal() {
        return Ok(());
    }
    Err(Failure::usage(format!("{flag}: float32 cannot hold {value:e}: use a number between 1.2e-38 and 3.4e38")))
}

/// Checks the values of a flag: at least one, each above 0.
pub fn check_all_positive(flag: &str, values: &[f64]) -> Result<(), Failure> {
    if values.is_empty() {
        return Err(Failure::usage(format!("{flag}: give at least one number")));
    }
    values.iter().try_for_each(|value| check_positive(flag, *value))
}

/// Checks that the value of a flag is between `least` and `most`.
pub fn check_between(flag: &str, least: u64, most: u64, value: u64) -> Result<(), Failure> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(Failure::usage(format!("{flag}: must be at least {least} and at most {most}, not {value}")))
    }
}

/// Prefixes an error of the core with the flags to change.
pub fn checked<T>(flags: &str, result: Result<T, PdeError>) -> Result<T, Failure> {
    result.map_err(|error| Failure::usage(format!("{flags}: {error}")))
}

/// Checks that none of the first `n_ks` replicas, those of --ks, is a control.
pub fn check_no_control(config: &TrainConfig, n_ks: usize) -> Result<(), Failure> {
    match config.controls().into_iter().find(|replica| *replica < n_ks) {
        None => Ok(()),
        Some(control) => Err(Failure::usage(format!(
            "--ks: k = {} is a control of {} ({}): leave it out",
            config.ks[control],
            config.ks[0],
            config.perturbation.name()
        ))),
    }
}

/// True if a value is given more than once. A run that is counted twice is not evidence.
pub fn has_duplicates<T: PartialEq>(values: &[T]) -> bool {
    values.iter().enumerate().any(|(i, value)| values[..i].contains(value))
}

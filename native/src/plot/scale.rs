//! Axes: the place of a value, and ticks.

use crate::numbers::{number, power_of_ten, thousands};

/// The scale of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// True for a logarithmic axis.
    pub is_log: bool,
    /// Value at place 0.
    pub low: f64,
    /// Value at place 1.
    pub high: f64,
}

impl Scale {
    /// A linear axis from `low` to `high`, or to `low + 1` if `high` is not larger.
    pub fn linear(low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { is_log: false, low, high }
    }

    /// A linear axis with round ends around finite `values`.
    pub fn around(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = bounds(values, |value| value.is_finite()).unwrap_or((0.0, 1.0));
        let high = if high > low { high } else { low + low.abs().max(1.0) * 0.1 };
        let step = round_step((high - low) / 8.0);
        Self::linear((low / step).floor() * step, (high / step).ceil() * step)
    }

    /// A logarithmic axis from `low` to `high`, both positive, or to `10 * low` if `high` is not larger.
    pub fn log(low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low * 10.0 };
        Self { is_log: true, low, high }
    }

    /// A logarithmic axis over whole decades around the positive `values` between 1e-300 and 1e300; `None` if there are none.
    pub fn decades(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let (low, high) = bounds(values, |value| *value > 0.0 && (1e-300..1e300).contains(value))?;
        let low = 10f64.powi(low.log10().floor() as i32);
        Some(Self::log(low, 10f64.powi((high.log10().ceil() as i32).max(low.log10().round() as i32 + 1))))
    }

    /// Place of a value: 0 at `low`, 1 at `high`.
    pub fn place(&self, value: f64) -> f64 {
        if self.is_log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    /// About `wanted` ticks with their labels.
    pub fn ticks(&self, wanted: usize) -> Vec<(f64, String)> {
        if self.is_log { self.log_ticks(wanted) } else { self.linear_ticks(wanted) }
    }

    fn linear_ticks(&self, wanted: usize) -> Vec<(f64, String)> {
        let step = round_step((self.high - self.low) / wanted.max(1) as f64);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        let label = |value: f64| match decimals {
            0 if (0.0..1e7).contains(&value) => thousands(value.round() as u64),
            0 if value.abs() >= 1e7 => number(value),
            _ => format!("{value:.decimals$}"),
        };
        (first..=last).map(|i| i as f64 * step).map(|value| (value, label(value))).collect()
    }

    fn log_ticks(&self, wanted: usize) -> Vec<(f64, String)> {
        let first = (self.low.log10() - 1e-9).ceil() as i32;
        let last = (self.high.log10() + 1e-9).floor() as i32;
        let every = ((last - first) as usize / wanted.max(1) + 1) as i32;
        let label = |exponent: i32| match exponent {
            0..=5 => thousands(10u64.pow(exponent as u32)),
            -2..=-1 => number(10f64.powi(exponent)).trim_end_matches('0').to_owned(),
            _ => power_of_ten(exponent),
        };
        let is_tick = |exponent: &i32| (last - exponent) % every == 0;
        (first..=last).filter(is_tick).map(|exponent| (10f64.powi(exponent), label(exponent))).collect()
    }
}

/// 1, 2 or 5 times a power of ten, at least `rough`.
fn round_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= rough * 0.999).unwrap_or(rough)
}

fn bounds(values: impl IntoIterator<Item = f64>, keep: impl Fn(&f64) -> bool) -> Option<(f64, f64)> {
    let fold = |ends: Option<(f64, f64)>, value: f64| {
        Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    };
    values.into_iter().filter(keep).fold(None, fold)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, wanted: usize) -> Vec<String> {
        scale.ticks(wanted).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn values_have_their_places() {
        let scale = Scale::log(1e-10, 1.0);
        assert!((scale.place(1e-5) - 0.5).abs() < 1e-12 && scale.place(1.0) == 1.0);
        assert_eq!(Scale::linear(1.0, 201.0).place(101.0), 0.5);
        let round = Scale::around([2.32, 1.91, f64::NAN]);
        assert!((round.low - 1.9).abs() < 1e-9 && (round.high - 2.4).abs() < 1e-9, "{round:?}");
        assert_eq!(Scale::decades([0.0, 3e-9, 0.5]), Some(Scale::log(1e-9, 1.0)));
        assert_eq!(Scale::decades([0.0, f64::NAN]), None);
        let one_value = Scale::decades([1e-3]).unwrap();
        assert!(one_value.high > one_value.low, "{one_value:?}");
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(Scale::linear(0.0, 78_200.0), 4), ["0", "20,000", "40,000", "60,000"]);
        assert_eq!(labels(Scale::linear(1.0, 2.1), 4), ["1.0", "1.5", "2.0"]);
        assert_eq!(labels(Scale::log(1e-10, 1.0), 5), ["10⁻⁹", "10⁻⁶", "10⁻³", "1"]);
        assert_eq!(labels(Scale::log(1.0, 78_200.0), 9), ["1", "10", "100", "1,000", "10,000"]);
    }
}

//! Statistics of a few numbers: mean, median, range, standard deviation with its confidence interval.

/// Mean and standard deviations of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deviation {
    /// Degrees of freedom of the deviation.
    pub degrees_of_freedom: u32,
    /// Mean of the sample; of several samples the mean of their means.
    pub mean: f64,
    /// Standard deviation with division by n, as published. Of several samples the root of their mean variance.
    pub ddof0: f64,
    /// Standard deviation with division by n - 1: the variance is unbiased.
    pub ddof1: f64,
}

impl Deviation {
    /// Deviation of one sample; `None` for fewer than two numbers or a number that is not finite.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        if values.len() < 2 || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let (ddof0, ddof1) = ((squares / n).sqrt(), (squares / (n - 1.0)).sqrt());
        Some(Self { degrees_of_freedom: values.len() as u32 - 1, mean, ddof0, ddof1 })
    }

    /// Pooled deviation of samples that may have different means but have the same deviation; `None` without samples.
    pub fn pooled(samples: &[Self]) -> Option<Self> {
        let degrees_of_freedom: u32 = samples.iter().map(|sample| sample.degrees_of_freedom).sum();
        if degrees_of_freedom == 0 {
            return None;
        }
        let n = samples.len() as f64;
        let squares =
            samples.iter().map(|sample| f64::from(sample.degrees_of_freedom) * sample.ddof1.powi(2)).sum::<f64>();
        Some(Self {
            degrees_of_freedom,
            mean: samples.iter().map(|sample| sample.mean).sum::<f64>() / n,
            ddof0: (samples.iter().map(|sample| sample.ddof0.powi(2)).sum::<f64>() / n).sqrt(),
            ddof1: (squares / f64::from(degrees_of_freedom)).sqrt(),
        })
    }

    /// 95 % confidence interval of the deviation (ddof 1), from the quantiles of chi-square. The numbers are assumed to be
    /// normal.
    pub fn interval(&self) -> (f64, f64) {
        let squares = f64::from(self.degrees_of_freedom) * self.ddof1.powi(2);
        let end = |share| (squares / chi_square_quantile(share, self.degrees_of_freedom)).sqrt();
        (end(0.975), end(0.025))
    }
}

/// Mean; `None` if there is no value.
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.into_iter().fold((0_u64, 0.0), |(n, sum), value| (n + 1, sum + value));
    (n > 0).then(|| sum / n as f64)
}

/// The median; of an even number of values the mean of the middle two. NaN if there is no value or one of them is NaN.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    if sorted.is_empty() || sorted.iter().any(|value| value.is_nan()) {
        return f64::NAN;
    }
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// Smallest and largest value; infinity and minus infinity if there is no value.
pub fn ends(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    values.into_iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
}

/// Standard deviation, in percentage points, of the accuracy of one network over test sets of `images` images.
pub fn test_set_noise(accuracy_percent: f64, images: usize) -> f64 {
    let p = accuracy_percent / 100.0;
    100.0 * (p * (1.0 - p) / images.max(1) as f64).sqrt()
}

/// Probability that chi-square with `freedom` degrees of freedom is at most `x`: the regularized incomplete gamma function
/// P(freedom / 2, x / 2) by its series, all of whose terms are positive.
fn chi_square_probability(x: f64, freedom: u32) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let (a, x) = (f64::from(freedom) / 2.0, x / 2.0);
    // x^a e^-x / Gamma(a + 1); the logarithm of Gamma by its recurrence from 1 or 1/2.
    let (mut log_gamma, mut at) =
        if freedom.is_multiple_of(2) { (0.0, 1.0) } else { (std::f64::consts::PI.sqrt().ln(), 0.5) };
    while at < a + 0.75 {
        log_gamma += at.ln();
        at += 1.0;
    }
    let (mut term, mut sum, mut n) = (1.0, 1.0, a);
    while term > sum * 1e-17 {
        n += 1.0;
        term *= x / n;
        sum += term;
    }
    (sum.ln() + a * x.ln() - x - log_gamma).exp().min(1.0)
}

/// The value below which chi-square lies with probability `share`, found by bisection.
fn chi_square_quantile(share: f64, freedom: u32) -> f64 {
    let (mut low, mut high) = (0.0, 10.0 * f64::from(freedom) + 100.0);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if chi_square_probability(middle, freedom) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.4.
        for (freedom, low, high) in
            [(1, 0.001, 5.024), (2, 0.051, 7.378), (5, 0.831, 12.833), (30, 16.791, 46.979), (100, 74.222, 129.561)]
        {
            let ends = [0.025, 0.975].map(|share| chi_square_quantile(share, freedom));
            assert!((ends[0] - low).abs() < 6e-4 && (ends[1] - high).abs() < 6e-4, "{freedom}: {ends:?}");
        }
    }

    #[test]
    fn probabilities_have_closed_forms() {
        for x in [0.1, 1.0, 7.0, 40.0_f64] {
            assert!((chi_square_probability(x, 2) - (1.0 - (-x / 2.0).exp())).abs() < 1e-13);
            let of_4 = 1.0 - (-x / 2.0).exp() * (1.0 + x / 2.0);
            assert!((chi_square_probability(x, 4) - of_4).abs() < 1e-13);
        }
        assert!((chi_square_probability(1.0, 1) - 0.682_689_492_137_086).abs() < 1e-12, "one sigma");
    }

    #[test]
    fn deviations_are_those_of_the_definition() {
        let deviation = Deviation::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((deviation.mean, deviation.ddof0, deviation.degrees_of_freedom), (5.0, 2.0, 7));
        assert!((deviation.ddof1 - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12);
        let (low, high) = deviation.interval();
        // 7 * 4.571 / 16.013 and / 1.690
        assert!((low - 1.4136).abs() < 1e-3 && (high - 4.3516).abs() < 1e-3, "{low} {high}");
        assert_eq!(Deviation::of(&[1.0]), None);
        assert_eq!(Deviation::of(&[1.0, f64::NAN]), None);
    }

    #[test]
    fn samples_are_pooled_by_their_freedom() {
        let samples = [&[1.0, 3.0][..], &[10.0, 10.0, 13.0]].map(|values| Deviation::of(values).unwrap());
        let pooled = Deviation::pooled(&samples).unwrap();
        assert_eq!((pooled.degrees_of_freedom, pooled.mean), (3, 6.5));
        assert!((pooled.ddof1 - (8.0_f64 / 3.0).sqrt()).abs() < 1e-12, "{pooled:?}");
        assert_eq!(Deviation::pooled(&[]), None);
    }

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan() && median(&[1.0, f64::NAN]).is_nan());
    }

    #[test]
    fn a_test_set_has_binomial_noise() {
        assert!((test_set_noise(90.0, 10_000) - 0.3).abs() < 1e-12);
        assert_eq!(test_set_noise(100.0, 10), 0.0);
    }
}

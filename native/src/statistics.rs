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

/// A mean with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// `factor` times this less `other`, which is independent of it: the distances of both means to the ends of their intervals add in
    /// squares (Zou & Donner 2008, Statistics in Medicine 27). Where it is positive, the ratio of the two is above 1 / `factor`.
    pub fn times_less(self, factor: f64, other: Self) -> Self {
        let mean = factor * self.mean - other.mean;
        let low = (factor * (self.mean - self.low)).hypot(other.high - other.mean);
        let high = (factor * (self.high - self.mean)).hypot(other.mean - other.low);
        Self { mean, low: mean - low, high: mean + high }
    }
}

/// The mean of `value` over all pairs of `n` items, with the interval of the jackknife, which leaves out one item at a time: pairs that
/// share an item are not independent. The interval is that of Student's t with n - 1 degrees of freedom. `None` for fewer than three items
/// or a value that is not finite.
pub fn mean_over_pairs(n: usize, value: impl Fn(usize, usize) -> f64) -> Option<Interval> {
    let mut sums = vec![0.0; n];
    for i in 0..n {
        for j in i + 1..n {
            let value = value(i, j);
            sums[i] += value;
            sums[j] += value;
        }
    }
    let items = n as f64;
    let total = sums.iter().sum::<f64>() / 2.0;
    if n < 3 || !total.is_finite() {
        return None;
    }
    let mean = total / (items * (items - 1.0) / 2.0);
    let left = (items - 1.0) * (items - 2.0) / 2.0;
    let without: Vec<f64> = sums.iter().map(|sum| (total - sum) / left).collect();
    let centre = without.iter().sum::<f64>() / items;
    let squares = without.iter().map(|value| (value - centre).powi(2)).sum::<f64>();
    let margin = t_quantile(n as u32 - 1) * ((items - 1.0) / items * squares).sqrt();
    Some(Interval { mean, low: mean - margin, high: mean + margin })
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

/// Probability that Student's t with `freedom` degrees of freedom lies between -x and x, by the finite sums for whole numbers of degrees
/// (Abramowitz & Stegun, 26.7.3 and 26.7.4).
fn t_probability(x: f64, freedom: u32) -> f64 {
    let angle = (x / f64::from(freedom).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let is_odd = freedom % 2 == 1;
    let first = if is_odd { cosine } else { 1.0 };
    let (mut term, mut sum) = (first, if freedom > 1 { first } else { 0.0 });
    let mut power = if is_odd { 1 } else { 0 };
    while power + 2 < freedom {
        power += 2;
        term *= cosine * cosine * f64::from(power - 1) / f64::from(power);
        sum += term;
    }
    if is_odd { std::f64::consts::FRAC_2_PI * (angle + sine * sum) } else { sine * sum }
}

/// The value below which the absolute value of Student's t lies with probability 95 %.
fn t_quantile(freedom: u32) -> f64 {
    let (mut low, mut high) = (0.0, 100.0);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if t_probability(middle, freedom) < 0.95 {
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
    fn quantiles_of_t_are_those_of_the_tables() {
        // NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.2.
        for (freedom, quantile) in
            [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (24, 2.064), (99, 1.984)]
        {
            assert!((t_quantile(freedom) - quantile).abs() < 6e-4, "{freedom}: {}", t_quantile(freedom));
        }
    }

    #[test]
    fn pairs_that_share_an_item_are_not_independent() {
        // For the mean of a_i + a_j, the jackknife is the interval of the mean of 2 a_i.
        let items = [1.0, 2.0, 4.0, 9.0];
        let found = mean_over_pairs(4, |i, j| items[i] + items[j]).unwrap();
        let deviation = Deviation::of(&items).unwrap().ddof1;
        assert!((found.mean - 8.0).abs() < 1e-12);
        assert!((found.high - 8.0 - 3.182_446 * 2.0 * deviation / 2.0).abs() < 1e-5, "{found:?}");
        assert_eq!(mean_over_pairs(2, |_, _| 1.0), None);
        assert_eq!(mean_over_pairs(3, |_, _| f64::NAN), None);
    }

    #[test]
    fn ratios_have_the_intervals_of_both() {
        let of = |mean: f64, margin: f64| Interval { mean, low: mean - margin, high: mean + margin };
        // 2 * 5 - 7, with margins of 2 * 2 and 3.
        assert_eq!(of(5.0, 2.0).times_less(2.0, of(7.0, 3.0)), of(3.0, 5.0));
        let skewed = Interval { mean: 5.0, low: 4.0, high: 7.0 };
        assert_eq!(skewed.times_less(1.0, of(5.0, 0.0)), Interval { mean: 0.0, low: -1.0, high: 2.0 });
        assert!(of(f64::NAN, 1.0).times_less(2.0, of(1.0, 1.0)).low.is_nan());
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

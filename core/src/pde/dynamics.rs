//! Long-term behaviour of a series of values, and the value at which a property begins to hold.

/// An interval in which a property changes: it does not hold at `without` and holds at `with`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bracket {
    /// A value at which the property does not hold.
    pub without: f64,
    /// A value at which the property holds.
    pub with: f64,
}

impl Bracket {
    /// The midpoint of the interval.
    #[must_use]
    pub fn middle(&self) -> f64 {
        0.5 * (self.without + self.with)
    }
}

/// Halves `bracket` until it is narrower than `tolerance`, relative to its midpoint.
///
/// # Errors
/// The errors of `holds`.
pub fn bisect<E>(
    mut bracket: Bracket,
    tolerance: f64,
    mut holds: impl FnMut(f64) -> Result<bool, E>,
) -> Result<Bracket, E> {
    while (bracket.with - bracket.without).abs() > tolerance * bracket.middle().abs() {
        let middle = bracket.middle();
        if holds(middle)? {
            bracket.with = middle;
        } else {
            bracket.without = middle;
        }
    }
    Ok(bracket)
}

/// The period at the end of `series`: the smallest shift, at most `most`, that maps its last `4 * most` values onto themselves
/// within `tolerance` (relative to the largest magnitude among them). `None` if there is no such shift, because the series
/// is chaotic or a transient has not decayed.
#[must_use]
pub fn period(series: &[f64], most: usize, tolerance: f64) -> Option<usize> {
    let tail = &series[series.len().saturating_sub(4 * most)..];
    let scale = tail.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    let repeats = |p: usize| tail.iter().zip(&tail[p..]).all(|(a, b)| (a - b).abs() <= tolerance * scale);
    (1..=most.min(tail.len() / 2)).find(|p| repeats(*p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_of_the_logistic_map() {
        let orbit = |r: f64| -> Vec<f64> {
            let next = |x: &f64| Some(r * x * (1.0 - x));
            std::iter::successors(Some(0.3), next).take(5000).collect()
        };
        let expected = [(2.8, Some(1)), (3.2, Some(2)), (3.5, Some(4)), (3.55, Some(8)), (3.83, Some(3)), (3.9, None)];
        for (r, expected) in expected {
            assert_eq!(period(&orbit(r), 16, 1e-9), expected, "r {r}");
        }
        assert_eq!(period(&[], 4, 1e-9), None);
    }

    #[test]
    fn bisection_finds_the_edge() {
        let square = |x: f64| -> Result<bool, ()> { Ok(x * x > 2.0) };
        let found = bisect(Bracket { without: 1.0, with: 2.0 }, 1e-9, square).unwrap();
        assert!((found.middle() - 2_f64.sqrt()).abs() < 1e-9 && found.with > found.without);
    }
}

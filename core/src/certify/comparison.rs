//! Compares words bit by bit, with the two exceptions that docs/RULES.md makes.

use super::report::{Mismatch, POISON};

/// Counts of compared words.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Words that were compared.
    pub words: u64,
    /// Subnormal numbers among the expected words.
    pub subnormal: u64,
    /// Zeros whose signs differ, which a GPU may have.
    pub zeros: u64,
    /// NaNs whose bits differ.
    pub nans: u64,
}

/// What counts as equal beside equal bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    /// Nothing, for integers.
    Exact,
    /// Two computed NaNs.
    NaN,
    /// Two computed NaNs, and zeros of both signs.
    NaNAndZero,
}

/// Compares `found` with `expected`, which begins at element `first`. Returns the first difference that `tolerance` does not
/// cover, and counts those that it does.
pub fn compare(
    first: u64,
    expected: &[u32],
    found: &[u32],
    tolerance: Tolerance,
    tally: &mut Tally,
) -> Option<Mismatch> {
    let is_nan = |word: u32| word & 0x7fff_ffff > 0x7f80_0000;
    tally.words += expected.len() as u64;
    tally.subnormal += expected.iter().filter(|word| (1..0x80_0000).contains(&(**word & 0x7fff_ffff))).count() as u64;
    let mut mismatch: Option<Mismatch> = None;
    for (i, (&expected, &found)) in expected.iter().zip(found).enumerate().filter(|(_, (a, b))| a != b) {
        if tolerance == Tolerance::NaNAndZero && (expected | found) << 1 == 0 {
            tally.zeros += 1;
        } else if tolerance != Tolerance::Exact
            && is_nan(expected)
            && is_nan(found)
            && ![expected, found].contains(&POISON)
        {
            tally.nans += 1;
        } else {
            let first = Mismatch { element: first + i as u64, expected, found, elements: 0 };
            mismatch.get_or_insert(first).elements += 1;
        }
    }
    mismatch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_exceptions_are_equal() {
        let (nan, other_nan, minus_zero) = (f32::NAN.to_bits(), f32::NAN.to_bits() ^ 1, 1 << 31);
        let mut tally = Tally::default();
        let mut of = |expected, found, tolerance| compare(7, &[1, expected], &[1, found], tolerance, &mut tally);
        let at = |expected, found| Some(Mismatch { element: 8, expected, found, elements: 1 });
        assert_eq!(of(0, minus_zero, Tolerance::NaNAndZero), None);
        assert_eq!(of(0, minus_zero, Tolerance::NaN), at(0, minus_zero));
        assert_eq!(of(nan, other_nan, Tolerance::NaN), None);
        assert_eq!(of(nan, other_nan, Tolerance::Exact), at(nan, other_nan));
        assert_eq!(of(nan, POISON, Tolerance::NaNAndZero), at(nan, POISON), "an element that was not written");
        assert_eq!(of(POISON, nan, Tolerance::NaNAndZero), at(POISON, nan), "a stray write");
        assert_eq!(of(1, 0, Tolerance::NaNAndZero), at(1, 0), "a flushed subnormal");
        assert_eq!((tally.words, tally.zeros, tally.nans), (14, 1, 1));
    }
}

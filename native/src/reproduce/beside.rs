//! Spread over k compared with spread over seeds, for Table 1 and Figure 2.

use super::findings::cells;
use super::{Agreement, Cell};
use crate::report::numbers::{about, count};
use crate::statistics::Spread;

/// Two deviations within this factor are called comparable.
pub const COMPARABLE: f64 = 2.0;
/// Degrees of freedom that two deviations need to be called comparable.
pub const ENOUGH: u32 = 10;
/// Steps of a long training: about a quarter of the published one. In shorter trainings the copies are still parting, so a
/// smaller spread over k than over seeds does not contradict the paper.
pub const LONG: usize = 20_000;

/// Columns of a table of spreads; [`cells`] fills them.
pub const COLUMNS: [(&str, &str); 6] = [
    ("freedom", "degrees of freedom"),
    ("mean", "mean"),
    ("std_ddof0", "deviation, ddof 0"),
    ("std_ddof1", "ddof 1"),
    ("low", "95 % from"),
    ("high", "to"),
];

/// A row's cells under [`COLUMNS`].
pub fn cells(spread: &Spread) -> [Cell; 6] {
    let (low, high) = spread.interval();
    cells![spread.freedom, spread.mean, spread.ddof0, spread.ddof1, low, high]
}

/// How long trainings are, for the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Some copies are not yet 1 % apart, so k cannot matter.
    Together,
    /// Shorter than [`LONG`].
    Short,
    /// At least [`LONG`] steps, enough to contradict the paper.
    Long,
}

impl Length {
    /// The length of trainings of `steps` steps.
    pub fn of(have_all_parted: bool, steps: usize) -> Self {
        match (have_all_parted, steps) {
            (false, _) => Self::Together,
            (true, LONG..) => Self::Long,
            (true, _) => Self::Short,
        }
    }
}

/// The spread over k and the spread over seeds, each pooled.
pub struct Beside {
    /// Spread over k, pooled over all seeds.
    pub over_k: Spread,
    /// Spread over seeds, pooled over all k.
    pub over_seeds: Spread,
    /// Spread over seeds with the degrees of freedom of a single k: more trainings of the same seed are not more seeds.
    at_least: Spread,
}

impl Beside {
    /// Pools the spread over k at each seed and the spread over seeds at each k; `None` if either is empty.
    pub fn of(over_k: &[Spread], over_seeds: &[Spread]) -> Option<Self> {
        let pooled = Spread::pooled(over_seeds)?;
        let freedom = over_seeds.iter().map(|spread| spread.freedom).max()?;
        Some(Self { over_k: Spread::pooled(over_k)?, over_seeds: pooled, at_least: Spread { freedom, ..pooled } })
    }

    /// True if the 95 % intervals do not overlap, with the degrees of freedom of a single k over seeds.
    fn are_apart(&self) -> bool {
        let (a, b) = (self.over_k.interval(), self.at_least.interval());
        a.1 < b.0 || b.1 < a.0
    }

    /// `over k 1.14 points (ddof 1; 95 %: 0.74 to 2.52), over seeds ...: ratio 0.72 (ddof 0: 0.93 and 1.30)`
    pub fn told(&self, unit: &str) -> String {
        let text = |spread: &Spread| {
            let (low, high) = spread.interval();
            format!("{:.2} {unit} (ddof 1; 95 %: {low:.2} to {high:.2})", spread.ddof1)
        };
        format!(
            "over k {}, over seeds {}: ratio {} (ddof 0: {:.2} and {:.2})",
            text(&self.over_k),
            text(&self.over_seeds),
            about(self.over_k.ddof1 / self.over_seeds.ddof1),
            self.over_k.ddof0,
            self.over_seeds.ddof0,
        )
    }

    /// Verdict on the claim that the deviation over k is comparable to that over seeds.
    pub fn agrees(&self, length: Length) -> Agreement {
        let ratio = self.over_k.ddof1 / self.over_seeds.ddof1;
        match length {
            Length::Together => Agreement::CannotTell,
            _ if self.are_apart() => match length {
                Length::Long => Agreement::No,
                _ => Agreement::CannotTell,
            },
            _ if self.over_k.freedom.min(self.over_seeds.freedom) < ENOUGH => Agreement::CannotTell,
            _ if (1.0 / COMPARABLE..=COMPARABLE).contains(&ratio) => Agreement::Yes,
            _ => Agreement::CannotTell,
        }
    }

    /// How sure the verdict is.
    pub fn certainty(&self, length: Length) -> String {
        format!(
            "{}{} of freedom over k, {} over seeds. With the degrees of a single k over seeds, the 95 % intervals \
             {}. Deviations within a factor of {COMPARABLE} count as comparable, with at least {ENOUGH} degrees of freedom.",
            match length {
                Length::Together => "Not sure: in so short a training the copies have hardly parted. ",
                Length::Short => "So short a training cannot contradict the paper: its copies are still parting. ",
                Length::Long => "",
            },
            count(self.over_k.freedom.into(), "degree"),
            self.over_seeds.freedom,
            if self.are_apart() { "do not overlap" } else { "overlap" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six samples of six numbers with this deviation.
    fn spreads(ddof1: f64) -> Vec<Spread> {
        vec![Spread { freedom: 5, mean: 90.0, ddof0: ddof1, ddof1 }; 6]
    }

    #[test]
    fn only_long_trainings_contradict() {
        let verdict = |over_k: &[Spread], length| Beside::of(over_k, &spreads(0.3)).unwrap().agrees(length);
        assert_eq!(verdict(&spreads(0.25), Length::Long), Agreement::Yes);
        assert_eq!(verdict(&spreads(0.25), Length::Short), Agreement::Yes);
        assert_eq!(verdict(&spreads(0.25), Length::Together), Agreement::CannotTell);
        assert_eq!(verdict(&spreads(0.05), Length::Long), Agreement::No);
        assert_eq!(verdict(&spreads(0.05), Length::Short), Agreement::CannotTell);
        // Apart with the degrees of freedom of all k together, but not with those of a single k.
        assert_eq!(verdict(&spreads(0.145), Length::Long), Agreement::CannotTell);
        assert_eq!(verdict(&spreads(0.25)[..1], Length::Long), Agreement::CannotTell, "five degrees are too few");
        assert!(Beside::of(&[], &spreads(0.3)).is_none());
    }
}

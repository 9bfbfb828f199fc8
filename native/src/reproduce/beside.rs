//! Spread over k beside spread over seeds: what Table 1 and Figure 2 say about it alike.

use super::statistics::Spread;
use super::{Agreement, Cell};
use crate::report::numbers::{about, count};

/// Two deviations within this factor are called comparable.
pub const COMPARABLE: f64 = 2.0;
/// With fewer degrees of freedom two deviations can be called neither different nor alike.
pub const ENOUGH: u32 = 10;
/// A quarter of the published training. Copies go on parting for long: that k moves less than a seed until then is no
/// contradiction.
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
    [spread.freedom.into(), spread.mean.into(), spread.ddof0.into(), spread.ddof1.into(), low.into(), high.into()]
}

/// How far trainings have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Some copies are not 1 % apart yet: k cannot matter.
    Together,
    /// Shorter than [`LONG`].
    Short,
    /// Long enough for a contradiction.
    Long,
}

/// Both spreads, each pooled.
pub struct Beside {
    /// Over k, of all seeds.
    pub over_k: Spread,
    /// Over seeds, of all k.
    pub over_seeds: Spread,
    /// Over seeds, as sure as one k alone makes it: trainings of one seed are no new seeds.
    at_least: Spread,
}

impl Beside {
    /// Of the spread at each seed and at each k; `None` if there are none.
    pub fn of(over_k: &[Spread], over_seeds: &[Spread]) -> Option<Self> {
        let pooled = Spread::pooled(over_seeds)?;
        let freedom = over_seeds.iter().map(|spread| spread.freedom).max()?;
        Some(Self { over_k: Spread::pooled(over_k)?, over_seeds: pooled, at_least: Spread { freedom, ..pooled } })
    }

    /// True if no true deviation fits both, however few seeds there are.
    fn are_apart(&self) -> bool {
        let (a, b) = (self.over_k.interval(), self.at_least.interval());
        a.1 < b.0 || b.1 < a.0
    }

    /// `over k 1.14 points (ddof 1; 95 %: 0.74 to 2.52), over seeds ...: a ratio of 0.72; with ddof 0 0.93 and 1.30`
    pub fn told(&self, unit: &str) -> String {
        let told = |spread: &Spread| {
            let (low, high) = spread.interval();
            format!("{:.2} {unit} (ddof 1; 95 %: {low:.2} to {high:.2})", spread.ddof1)
        };
        format!(
            "over k {}, over seeds {}: a ratio of {}; with ddof 0 {:.2} and {:.2}",
            told(&self.over_k),
            told(&self.over_seeds),
            about(self.over_k.ddof1 / self.over_seeds.ddof1),
            self.over_k.ddof0,
            self.over_seeds.ddof0,
        )
    }

    /// Whether k is as good as a seed.
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

    /// How sure that is.
    pub fn certainty(&self, length: Length) -> String {
        format!(
            "{}{} and {} of freedom; with those of a single k over seeds the 95 % intervals {}. Comparable is called what is within a \
             factor of {COMPARABLE}, with {ENOUGH} degrees of freedom at least.",
            match length {
                Length::Together => "Not at all: in so short a training the copies have hardly parted. ",
                Length::Short => "A training this short does not contradict the paper: its copies are still parting. ",
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
        // Apart by the freedom of all k together, not by that of the seeds there are.
        assert_eq!(verdict(&spreads(0.145), Length::Long), Agreement::CannotTell);
        assert_eq!(verdict(&spreads(0.25)[..1], Length::Long), Agreement::CannotTell, "five degrees are too few");
        assert!(Beside::of(&[], &spreads(0.3)).is_none());
    }
}

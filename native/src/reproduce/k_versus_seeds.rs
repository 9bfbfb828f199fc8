//! Deviation over k compared with deviation over seeds, for Table 1 and Figure 2.

use super::findings::cells;
use super::trained::TrainedRun;
use super::{Agreement, Cell};
use crate::numbers::{about, count};
use crate::statistics::Deviation;

/// Two deviations within this factor are called comparable.
pub const COMPARABLE: f64 = 2.0;
/// Degrees of freedom that two deviations need to be called comparable.
pub const ENOUGH: u32 = 10;
/// Steps of a long training: about a quarter of the published one. In shorter trainings the copies are still parting, so a
/// smaller deviation over k than over seeds does not contradict the paper.
pub const LONG: usize = 20_000;

/// Columns of a table of deviations; [`cells`] fills them.
pub const COLUMNS: [(&str, &str); 6] = [
    ("freedom", "degrees of freedom"),
    ("mean", "mean"),
    ("std_ddof0", "deviation, ddof 0"),
    ("std_ddof1", "ddof 1"),
    ("low", "95 % from"),
    ("high", "to"),
];

/// A row's cells under [`COLUMNS`].
pub fn cells(deviation: &Deviation) -> [Cell; 6] {
    let Deviation { degrees_of_freedom, mean, ddof0, ddof1 } = deviation;
    let (low, high) = deviation.interval();
    cells![degrees_of_freedom, mean, ddof0, ddof1, low, high]
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
    /// The length of the shortest of these runs.
    pub fn of(runs: &[&TrainedRun]) -> Self {
        let is_long = |run: &&TrainedRun| run.run.steps.len() >= LONG;
        match runs.iter().all(|run| run.has_diverged()) {
            false => Self::Together,
            true if runs.iter().all(is_long) => Self::Long,
            true => Self::Short,
        }
    }
}

/// Deviations of a quantity, each with the seed or k at which it is taken.
pub struct KVersusSeeds {
    /// Over k at each seed.
    pub over_k: Vec<(String, Deviation)>,
    /// Over seeds at each k.
    pub over_seeds: Vec<(String, Deviation)>,
}

impl KVersusSeeds {
    /// Deviations of a value of the replicas from `first` on. A value that is not finite removes its sample.
    pub fn of(runs: &[&TrainedRun], first: usize, value: impl Fn(&TrainedRun, usize) -> f64) -> Self {
        let over_k = runs.iter().filter_map(|run| {
            let values: Vec<f64> = (first..run.compared()).map(|replica| value(run, replica)).collect();
            Some((format!("seed {}", run.seed()), Deviation::of(&values)?))
        });
        let replicas = first..runs.iter().map(|run| run.compared()).max().unwrap_or(0);
        let over_seeds = replicas.filter_map(|replica| {
            let with_it: Vec<_> = runs.iter().filter(|run| replica < run.compared()).collect();
            let values: Vec<f64> = with_it.iter().map(|run| value(run, replica)).collect();
            Some((format!("k = {}", with_it.first()?.run.config.ks[replica]), Deviation::of(&values)?))
        });
        Self { over_k: over_k.collect(), over_seeds: over_seeds.collect() }
    }

    /// Pools the deviations over k of all seeds, and those over seeds of all k; `None` if there are none of either.
    pub fn pooled(&self) -> Option<Pooled> {
        let [over_k, over_seeds] = [&self.over_k, &self.over_seeds].map(|samples| pooled(samples));
        let degrees_of_freedom = self.over_seeds.iter().map(|(_, deviation)| deviation.degrees_of_freedom).max()?;
        let over_seeds = over_seeds?;
        Some(Pooled { over_k: over_k?, over_seeds, of_one_k: Deviation { degrees_of_freedom, ..over_seeds } })
    }
}

/// The pooled deviation of samples.
pub fn pooled(samples: &[(String, Deviation)]) -> Option<Deviation> {
    Deviation::pooled(&samples.iter().map(|(_, deviation)| *deviation).collect::<Vec<_>>())
}

/// The deviation over k and the deviation over seeds, each pooled.
pub struct Pooled {
    /// Deviation over k, pooled over all seeds.
    pub over_k: Deviation,
    /// Deviation over seeds, pooled over all k.
    pub over_seeds: Deviation,
    /// Deviation over seeds with the degrees of freedom of a single k: more trainings of the same seed are not more seeds.
    of_one_k: Deviation,
}

impl Pooled {
    /// True if the 95 % intervals do not overlap, with the degrees of freedom of a single k over seeds.
    fn are_apart(&self) -> bool {
        let (a, b) = (self.over_k.interval(), self.of_one_k.interval());
        a.1 < b.0 || b.1 < a.0
    }

    /// `over k 1.14 points (ddof 1; 95 %: 0.74 to 2.52), over seeds ...: ratio 0.72 (ddof 0: 0.93 and 1.30)`
    pub fn text(&self, unit: &str) -> String {
        let text = |deviation: &Deviation| {
            let (low, high) = deviation.interval();
            format!("{:.2} {unit} (ddof 1; 95 %: {low:.2} to {high:.2})", deviation.ddof1)
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
            _ if self.over_k.degrees_of_freedom.min(self.over_seeds.degrees_of_freedom) < ENOUGH => {
                Agreement::CannotTell
            }
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
            count(self.over_k.degrees_of_freedom.into(), "degree"),
            self.over_seeds.degrees_of_freedom,
            if self.are_apart() { "do not overlap" } else { "overlap" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six samples of six numbers with this deviation.
    fn samples(ddof1: f64) -> Vec<(String, Deviation)> {
        vec![(String::new(), Deviation { degrees_of_freedom: 5, mean: 90.0, ddof0: ddof1, ddof1 }); 6]
    }

    #[test]
    fn only_long_trainings_contradict() {
        let compared = |n: usize, over_k: f64| {
            KVersusSeeds { over_k: samples(over_k)[..n].to_vec(), over_seeds: samples(0.3) }.pooled()
        };
        let verdict = |over_k: f64, length| compared(6, over_k).unwrap().agrees(length);
        assert_eq!(verdict(0.25, Length::Long), Agreement::Yes);
        assert_eq!(verdict(0.25, Length::Short), Agreement::Yes);
        assert_eq!(verdict(0.25, Length::Together), Agreement::CannotTell);
        assert_eq!(verdict(0.05, Length::Long), Agreement::No);
        assert_eq!(verdict(0.05, Length::Short), Agreement::CannotTell);
        // Apart with the degrees of freedom of all k together, but not with those of a single k.
        assert_eq!(verdict(0.145, Length::Long), Agreement::CannotTell);
        let of_one_seed = compared(1, 0.25).unwrap().agrees(Length::Long);
        assert_eq!(of_one_seed, Agreement::CannotTell, "five degrees are too few");
        assert!(compared(0, 0.3).is_none());
    }
}

//! What the exponents say.

use std::ops::Range;

use super::{Lyapunov, Track, mean_and_error};
use crate::numbers::{about, count, list};
use crate::reproduce::findings::claim;
use crate::reproduce::growth::exponential_phase;
use crate::reproduce::{Agreement, Claim};
use crate::statistics::{ends, median};

/// Exponents count as equal if they differ by at most this part.
const SAME: f64 = 0.15;
/// Or if over the whole run, distances would grow by factors that differ by at most this part.
const NO_GROWTH: f64 = 0.1;

impl Track {
    /// The exponent of the distance in the middle of the list.
    fn middle(&self) -> (f64, f64) {
        self.exponents[(self.exponents.len() - 1) / 2]
    }

    /// Whether the exponents of these distances, by index, are equal.
    fn is_equal(&self, distances: Range<usize>) -> Agreement {
        let exponents = &self.exponents[distances.clone()];
        let means: Vec<f64> = exponents.iter().map(|(mean, _)| *mean).collect();
        if means.iter().any(|mean| !mean.is_finite()) {
            return Agreement::CannotTell;
        }
        let (low, high) = ends(means.iter().copied());
        let size = median(&means.iter().map(|mean| mean.abs()).collect::<Vec<_>>());
        let steps = self.run.growth.last().map_or(1, |line| line.step) as f64;
        if high - low <= (SAME * size).max(NO_GROWTH / steps) {
            return Agreement::Yes;
        }
        // All replicas see the same batches, so their difference is surer than either of them.
        let at = |value: f64| distances.start + means.iter().position(|mean| *mean == value).unwrap_or(0) + 1;
        let (mean, error) = self.difference(at(high), at(low));
        Agreement::of_decidable(false, mean > 3.0 * error)
    }

    /// Mean and standard error of the difference of two replicas' exponents.
    fn difference(&self, a: usize, b: usize) -> (f64, f64) {
        let lines = self.run.growth[self.run.growth.len() / 2..].iter();
        mean_and_error(lines.map(|line| (line.growth[a] - line.growth[b]) / line.steps as f64))
    }

    /// The longest range of neighbouring distances, by index, whose exponents are equal.
    fn longest(&self) -> Range<usize> {
        let n = self.exponents.len();
        let ranges = (0..n).flat_map(|first| (first + 1..=n).map(move |end| first..end));
        let equal = ranges.filter(|range| range.len() == 1 || self.is_equal(range.clone()) == Agreement::Yes);
        equal.max_by_key(|range| (range.len(), n - range.start)).unwrap_or(0..1)
    }
}

impl Lyapunov {
    /// All claims.
    pub(super) fn claims(&self, tracks: &[Track]) -> Vec<Claim> {
        vec![self.independence(tracks), self.order(tracks), self.of_k(tracks), controls(tracks)]
    }

    fn independence(&self, tracks: &[Track]) -> Claim {
        let (low, high) = ends(self.distances.iter().copied());
        let each = |track: &Track| {
            let (low, high) = ends(track.exponents.iter().map(|(mean, _)| *mean));
            format!("{} to {} at lr {}", about(low), about(high), track.lr)
        };
        let all = 0..self.distances.len();
        let each_agrees: Vec<Agreement> = tracks.iter().map(|track| track.is_equal(all.clone())).collect();
        let others = tracks.iter().zip(&each_agrees).filter(|(_, agrees)| **agrees != Agreement::Yes);
        let ranges = others.map(|(track, _)| {
            let range = track.longest();
            let (first, last) = (self.distances[range.start], self.distances[range.end - 1]);
            format!(" At lr {} it is the same from {first} to {last} only.", track.lr)
        });
        claim! {
            about: "It does not depend on the distance",
            paper: "By definition of the exponent: it is a limit for small distances.",
            found: format!(
                "Over {} decades of the distance the exponent is {}.{}",
                about((high / low).log10()),
                list(&tracks.iter().map(each).collect::<Vec<_>>()),
                ranges.collect::<String>()
            ),
            agrees: each_agrees.iter().copied().fold(Agreement::Yes, Agreement::and),
            certainty: format!(
                "The same: within {} %, or {} % of the growth over the whole run. Not the same: more than that, and three standard errors. Kinks \
                 of ReLU, rounding at small distances and saturation at large ones break it.",
                100.0 * SAME,
                100.0 * NO_GROWTH
            ),
        }
    }

    fn order(&self, tracks: &[Track]) -> Claim {
        let mut sorted: Vec<&Track> = tracks.iter().collect();
        sorted.sort_by(|a, b| a.lr.total_cmp(&b.lr));
        let exponents = sorted.iter().map(|track| format!("{} at lr {}", about(track.middle().0), track.lr));
        // Each pair of rates, in standard errors of the difference.
        let pairs = sorted.iter().enumerate().flat_map(|(i, low)| sorted[i + 1..].iter().map(move |high| (low, high)));
        let differences: Vec<f64> = pairs
            .map(|(low, high)| {
                let [low, high] = [low.middle(), high.middle()];
                (high.0 - low.0) / (high.1.powi(2) + low.1.powi(2)).sqrt()
            })
            .collect();
        let (falls, rises) = (differences.iter().any(|d| *d < -3.0), differences.iter().any(|d| *d > 3.0));
        claim! {
            about: "A smaller rate makes it smaller",
            paper: "The divergence vanishes with the learning rate.",
            found: format!("The exponent a step is {}.", list(&exponents.collect::<Vec<_>>())),
            agrees: match (rises, falls) {
                (true, false) => Agreement::Yes,
                (false, true) => Agreement::No,
                _ => Agreement::CannotTell,
            },
            certainty: "One seed; a difference counts from three standard errors on. Growth a step, not in a unit of learning rate x steps.",
        }
    }

    fn of_k(&self, tracks: &[Track]) -> Claim {
        let pairs: Vec<(f64, f64, f64)> = tracks
            .iter()
            .filter_map(|track| {
                let growth = exponential_phase(&track.distance)?;
                let (first, last) = growth.steps;
                // The exponent over the steps in which k = 3 grows, at the smallest distance.
                let lines =
                    track.run.growth.iter().filter(|line| line.step > first && line.step <= last.max(first + 1));
                let (sum, steps) =
                    lines.fold((0.0, 0), |(sum, steps), line| (sum + line.growth[1], steps + line.steps));
                (steps > 0 && growth.r_squared > 0.8).then(|| (track.lr, growth.factor.ln(), sum / steps as f64))
            })
            .collect();
        let is_near = |(_, k, exponent): &(f64, f64, f64)| (0.5..2.0).contains(&(k / exponent));
        let text = pairs.iter().map(|(lr, k, exponent)| format!("{} and {} at lr {lr}", about(*k), about(*exponent)));
        claim! {
            about: "k = 3 grows by the exponent",
            paper: "An instability of the algorithm amplifies whatever perturbs it, a last bit or a displacement, by the same factor.",
            found: match pairs.is_empty() {
                true => "k = 3 has no exponential phase that a return falls into.".to_owned(),
                false => format!(
                    "While the distance of k = 3 grows exponentially, its logarithm grows each step by the first number, and that of a displacement \
                     in the same steps by the second: {}.",
                    list(&text.collect::<Vec<_>>())
                ),
            },
            agrees: match pairs.is_empty() {
                true => Agreement::CannotTell,
                false => Agreement::of(pairs.iter().all(is_near)),
            },
            certainty: format!("Within a factor of two, for {}.", count(pairs.len() as u64, "rate")),
        }
    }
}

fn controls(tracks: &[Track]) -> Claim {
    claim! {
        about: "The controls stay at zero",
        paper: "Not in the paper. By the arithmetic k = 2 must not differ in a single bit.",
        found: match tracks.iter().map(|track| track.pair.are_controls_zero).fold(Agreement::Yes, Agreement::and) {
            Agreement::Yes => format!("{}: 0 bits differ.", count(tracks.len() as u64, "control")),
            Agreement::No => "A control differs: nothing here can be attributed to k.".to_owned(),
            Agreement::CannotTell => "Numbers stopped being finite: equal bits then prove nothing.".to_owned(),
        },
        agrees: tracks.iter().map(|track| track.pair.are_controls_zero).fold(Agreement::Yes, Agreement::and),
        certainty: "Sure: the measured weights are compared bit by bit on the adapter after every step, all parameters at the end.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::data::GrowthLine;
    use crate::reproduce::flags::Flags as _;
    use crate::reproduce::run::Run;

    /// Three distances with these exponents; `noise` changes its sign from line to line, in another rhythm for each distance.
    fn track(lr: f64, exponents: [f64; 3], noise: f64) -> Track {
        let sign = |line: usize, replica: usize| if (line >> replica).is_multiple_of(2) { noise } else { -noise };
        let lines = (0..64).map(|line| GrowthLine {
            step: 5 * (line as u64 + 1),
            steps: 5,
            growth: std::iter::once(0.0).chain((0..3).map(|r| 5.0 * (exponents[r] + sign(line, r)))).collect(),
        });
        let config = lastbit_core::train::TrainConfig { ks: vec![1; 4], ..Default::default() };
        let pair = Run::made_up(config.clone(), vec![vec![0.0]; 4]);
        let run = Run { growth: lines.collect(), ..Run::made_up(config, vec![vec![0.0]; 4]) };
        let exponents = (1..4).map(|replica| super::super::exponent(&run, replica)).collect();
        Track { lr, run, exponents, pair, distance: Vec::new() }
    }

    fn experiment() -> Lyapunov {
        Lyapunov { distances: vec![1e-3, 1e-2, 1e-1], ..Lyapunov::read(None, true) }
    }

    #[test]
    fn exponents_are_the_same_another_or_unknown() {
        let of = |exponents, noise| experiment().independence(&[track(0.1, exponents, noise)]);
        assert_eq!(of([0.01, 0.0105, 0.011], 1e-4).agrees, Agreement::Yes);
        assert_eq!(of([1e-5, 2e-5, 4e-5], 0.0).agrees, Agreement::Yes, "nothing grows");
        let apart = of([0.01, 0.0101, 0.005], 1e-4);
        assert_eq!(apart.agrees, Agreement::No);
        assert!(apart.found.ends_with("At lr 0.1 it is the same from 0.001 to 0.01 only."), "{}", apart.found);
        assert_eq!(of([0.01, 0.01, 0.005], 0.1).agrees, Agreement::CannotTell, "noise");
        assert_eq!(of([f64::NAN; 3], 0.0).agrees, Agreement::CannotTell);
    }

    #[test]
    fn rates_are_ordered_if_their_errors_allow_it() {
        let of = |high: f64, noise| {
            let tracks = [track(0.3, [high; 3], noise), track(0.1, [0.002; 3], 1e-5)];
            experiment().order(&tracks).agrees
        };
        assert_eq!(of(0.01, 1e-4), Agreement::Yes);
        assert_eq!(of(0.0001, 1e-4), Agreement::No);
        assert_eq!(of(0.01, 0.1), Agreement::CannotTell);
    }
}

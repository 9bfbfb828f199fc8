//! What the exponents say.

use std::ops::Range;

use super::{Lyapunov, Track, mean_and_error};
use crate::numbers::{about, count, list};
use crate::reproduce::controls::{BY_THE_ARITHMETIC, controls_claim};
use crate::reproduce::findings::claim;
use crate::reproduce::growth::exponential_phase;
use crate::reproduce::{Agreement, Claim};
use crate::statistics::{ends, median};

/// Exponents count as equal if they differ by at most this part.
const SAME: f64 = 0.15;
/// Or if over the whole run, no distance would grow or shrink by more than this part.
const NO_GROWTH: f64 = 0.1;
/// Exponents differ from each other, or from 0, by at least this many standard errors.
const ERRORS: f64 = 3.0;
/// Growths that count as alike differ by at most this factor.
const ALIKE: f64 = 2.0;

impl Track {
    /// The exponent of the distance in the middle of the list.
    fn middle(&self) -> (f64, f64) {
        self.exponents[(self.exponents.len() - 1) / 2]
    }

    /// Whether none of these distances, by index, would grow or shrink by more than [`NO_GROWTH`] over the whole run.
    fn is_still(&self, distances: Range<usize>) -> bool {
        let steps = self.run.growth.last().map_or(1, |line| line.step) as f64;
        self.exponents[distances].iter().all(|(mean, _)| mean.abs() * steps <= NO_GROWTH)
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
        if high - low <= SAME * size || self.is_still(distances.clone()) {
            return Agreement::Yes;
        }
        // All replicas see the same batches, so their difference is surer than either of them.
        let at = |value: f64| distances.start + means.iter().position(|mean| *mean == value).unwrap_or(0) + 1;
        let (mean, error) = self.difference(at(high), at(low));
        Agreement::of_decidable(false, mean > ERRORS * error)
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
        let verdicts = tracks.iter().map(|track| track.pair.are_controls_zero);
        let controls = controls_claim(BY_THE_ARITHMETIC, "k", verdicts);
        vec![self.independence(tracks), self.order(tracks), self.of_k(tracks), controls]
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
        let ranges = others.map(|(track, agrees)| {
            if *agrees == Agreement::CannotTell {
                return format!(" At lr {} its errors leave it open.", track.lr);
            }
            let range = track.longest();
            let (first, last) = (self.distances[range.start], self.distances[range.end - 1]);
            match range.len() {
                1 => format!(" At lr {} no two neighbouring distances have the same.", track.lr),
                _ => format!(" At lr {} it is the same from {first} to {last} only.", track.lr),
            }
        });
        let still = tracks.iter().filter(|track| track.is_still(all.clone()));
        let still = still
            .map(|track| format!(" At lr {} nothing grows: less than {} % over the run.", track.lr, 100.0 * NO_GROWTH));
        claim! {
            about: "It does not depend on the distance",
            paper: "By definition of the exponent: it is a limit for small distances.",
            found: format!(
                "Over {} decades of the distance the exponent is {}.{}{}",
                about((high / low).log10()),
                list(&tracks.iter().map(each).collect::<Vec<_>>()),
                still.collect::<String>(),
                ranges.collect::<String>()
            ),
            agrees: each_agrees.iter().copied().fold(Agreement::Yes, Agreement::and),
            certainty: format!(
                "The same: within {} %, or growth by less than {} % over the whole run at every distance. Not the same: more than that, \
                 and three standard errors. Kinks of ReLU, rounding at small distances and saturation at large ones break it.",
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
        let (falls, rises) = (differences.iter().any(|d| *d < -ERRORS), differences.iter().any(|d| *d > ERRORS));
        let is_known = tracks.iter().all(|track| track.middle().0.is_finite());
        claim! {
            about: "A smaller rate makes it smaller",
            paper: "The divergence vanishes with the learning rate.",
            found: format!("The exponent a step is {}.", list(&exponents.collect::<Vec<_>>())),
            agrees: match (rises, falls) {
                (true, false) if is_known => Agreement::Yes,
                (false, true) if is_known => Agreement::No,
                _ => Agreement::CannotTell,
            },
            certainty: "One seed; a difference counts from three standard errors on. Growth a step, not in a unit of learning rate x \
                        steps.",
        }
    }

    fn of_k(&self, tracks: &[Track]) -> Claim {
        let pairs: Vec<(f64, f64, (f64, f64))> = tracks
            .iter()
            .filter_map(|track| {
                let growth = exponential_phase(&track.distance).filter(|growth| growth.r_squared > 0.8)?;
                let (first, last) = growth.steps;
                // The exponent over the steps in which k = 3 grows, at the smallest distance.
                let lines =
                    track.run.growth.iter().filter(|line| line.step > first && line.step <= last.max(first + 1));
                let rates: Vec<f64> = lines.map(|line| line.growth[1] / line.steps as f64).collect();
                (!rates.is_empty()).then(|| (track.lr, growth.factor.ln(), mean_and_error(rates.into_iter())))
            })
            .collect();
        let text = pairs.iter().map(|(lr, k, (mean, error))| {
            let error = if error.is_finite() { format!(" ± {}", about(*error)) } else { String::new() };
            format!("{} and {}{error} at lr {lr}", about(*k), about(*mean))
        });
        let each = pairs.iter().map(|(_, k, exponent)| is_alike(*k, *exponent));
        claim! {
            about: "k = 3 grows by the exponent",
            paper: "An instability of the algorithm amplifies whatever perturbs it, a last bit or a displacement, by the same factor.",
            found: match pairs.is_empty() {
                true => "k = 3 has no exponential phase that a return falls into.".to_owned(),
                false => format!(
                    "While the distance of k = 3 grows exponentially, its logarithm grows each step by the first number, and that of a \
                     displacement in the same steps by the second: {}.",
                    list(&text.collect::<Vec<_>>())
                ),
            },
            agrees: match pairs.is_empty() {
                true => Agreement::CannotTell,
                false => each.fold(Agreement::Yes, Agreement::and),
            },
            certainty: format!(
                "Within a factor of two, by two standard errors of the second number, which must also be above 0 by three; for {}.",
                count(pairs.len() as u64, "rate")
            ),
        }
    }
}

/// Whether the growth of k = 3 and an exponent, a mean with its standard error, are within a factor of [`ALIKE`]: yes if the exponent is
/// with two errors above and below it, no if it is not anywhere between them. Unknown if the exponent is not above 0.
fn is_alike(k: f64, (mean, error): (f64, f64)) -> Agreement {
    let is_growing = mean > ERRORS * error && mean > 0.0;
    if !(is_growing && k.is_finite()) {
        return Agreement::CannotTell;
    }
    let (low, high) = (mean - 2.0 * error, mean + 2.0 * error);
    if k * ALIKE >= high && k <= ALIKE * low {
        Agreement::Yes
    } else if k * ALIKE < low || k > ALIKE * high {
        Agreement::No
    } else {
        Agreement::CannotTell
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
        let still = of([1e-5, 2e-5, 4e-5], 0.0);
        assert_eq!(still.agrees, Agreement::Yes);
        assert!(still.found.ends_with("At lr 0.1 nothing grows: less than 10 % over the run."), "{}", still.found);
        assert_eq!(of([1e-4, 2e-4, 4e-4], 0.0).agrees, Agreement::No, "it grows by 14 % over 320 steps");
        let apart = of([0.01, 0.0101, 0.005], 1e-4);
        assert_eq!(apart.agrees, Agreement::No);
        assert!(apart.found.ends_with("At lr 0.1 it is the same from 0.001 to 0.01 only."), "{}", apart.found);
        let open = of([0.01, 0.01, 0.005], 0.1);
        assert_eq!(open.agrees, Agreement::CannotTell, "noise");
        assert!(open.found.ends_with("At lr 0.1 its errors leave it open."), "{}", open.found);
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
        assert_eq!(of(f64::NAN, 0.0), Agreement::CannotTell);
    }
    #[test]
    fn k_grows_by_the_exponent_or_not_or_it_is_unknown() {
        // k = 3 grows by e^rate a step for 300 steps, from 1e-9.
        let of = |rate: f64, exponent: f64, noise: f64| {
            let distance = (1..=300).map(|step| (step, 1e-9 * (rate * step as f64).exp())).collect();
            let track = Track { distance, ..track(0.1, [exponent; 3], noise) };
            experiment().of_k(&[track])
        };
        use Agreement::{CannotTell, No, Yes};
        assert_eq!(of(0.05, 0.04, 1e-3).agrees, Yes);
        assert_eq!(of(0.05, 0.01, 1e-3).agrees, No);
        assert_eq!(of(0.05, 0.2, 1e-3).agrees, No);
        assert_eq!(of(0.05, 0.0251, 0.01).agrees, CannotTell, "at the factor");
        assert_eq!(of(0.05, 0.04, 0.5).agrees, CannotTell, "not distinguished from 0");
        assert_eq!(of(0.05, 0.0, 0.0).agrees, CannotTell);
        assert_eq!(of(0.05, -0.04, 1e-3).agrees, CannotTell);
        let lost = of(0.05, f64::NAN, 0.0);
        assert!(lost.agrees == CannotTell && lost.found.contains("0.050 and not finite at lr 0.1"), "{}", lost.found);
        assert_eq!(is_alike(0.05, (0.04, f64::NAN)), CannotTell, "a single return has no error");
        assert_eq!(is_alike(f64::NAN, (0.04, 1e-3)), CannotTell);
        let none = experiment().of_k(&[track(0.1, [0.04; 3], 1e-3)]);
        assert!(none.agrees == CannotTell && none.found.starts_with("k = 3 has no"), "{}", none.found);
        // One rate that cannot tell leaves the claim open, whatever the other says.
        let grown: Vec<(u64, f64)> = (1..=300).map(|step| (step, 1e-9 * (0.05 * step as f64).exp())).collect();
        let both = [0.04, 0.0].map(|exponent| Track { distance: grown.clone(), ..track(0.1, [exponent; 3], 1e-4) });
        assert_eq!(experiment().of_k(&both).agrees, CannotTell);
    }
}

//! What the exponents say.

use super::{Lyapunov, Track};
use crate::numbers::{about, count, list};
use crate::reproduce::findings::claim;
use crate::reproduce::growth::exponential_phase;
use crate::reproduce::{Agreement, Claim};
use crate::statistics::{ends, median};

/// Exponents count as equal if they differ by at most this part, or by three standard errors.
const SAME: f64 = 0.15;
/// Or if over the whole run, distances would grow by factors that differ by at most this part.
const NO_GROWTH: f64 = 0.1;

impl Track {
    /// The exponent of the distance in the middle of the list.
    fn middle(&self) -> (f64, f64) {
        self.exponents[(self.exponents.len() - 1) / 2]
    }

    /// Whether the exponents of the distances `range` are equal.
    fn is_independent(&self) -> bool {
        let (low, high) = ends(self.exponents.iter().map(|(mean, _)| *mean));
        let error = self.exponents.iter().map(|(_, error)| *error).fold(0.0, f64::max);
        let size = median(&self.exponents.iter().map(|(mean, _)| mean.abs()).collect::<Vec<_>>());
        let steps = self.run.growth.last().map_or(1, |line| line.step) as f64;
        high - low <= (SAME * size).max(3.0 * std::f64::consts::SQRT_2 * error).max(NO_GROWTH / steps)
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
        let dependent: Vec<String> =
            tracks.iter().filter(|track| !track.is_independent()).map(|track| track.lr.to_string()).collect();
        claim! {
            about: "It does not depend on the distance",
            paper: "By definition of the exponent: it is a limit for small distances.",
            found: format!(
                "Over {} decades of the distance the exponent is {}.{}",
                about((high / low).log10()),
                list(&tracks.iter().map(each).collect::<Vec<_>>()),
                if dependent.is_empty() { String::new() } else { format!(" At lr {} it depends on it.", list(&dependent)) }
            ),
            agrees: Agreement::of(dependent.is_empty()),
            certainty: format!(
                "Within {} %, three standard errors, or {} % of the growth over the whole run. Kinks of ReLU, rounding at small distances \
                 and saturation at large ones break it.",
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
                    "While k = 3 grows exponentially, its logarithm grows a step, and the exponent in the same steps, by {}.",
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
        certainty: "Sure: every weight is compared bit by bit on the adapter after every step.",
    }
}

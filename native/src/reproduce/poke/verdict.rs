//! What perturbed copies say.

use lastbit_core::train::LINE_POINTS;

use super::{End, Poke};
use crate::numbers::{about, count, list};
use crate::reproduce::findings::claim;
use crate::reproduce::run::Run;
use crate::reproduce::{Agreement, Claim};
use crate::statistics::median;

/// A barrier in the loss that counts as one.
const BARRIER: f64 = 0.05;
/// Steps of a training at whose end one ulp has had the time to grow.
const LONG: u64 = 8000;

impl Poke {
    /// All claims.
    pub(super) fn claims(&self, runs: &[Run], ends: &[End]) -> Vec<Claim> {
        vec![self.early(ends), self.size(ends), self.matters(ends), self.basin(ends), before(ends), controls(runs)]
    }

    /// The median over the seeds.
    fn median(&self, ends: &[End], kind: &str, at: u64, value: fn(&End) -> f64) -> f64 {
        let values: Vec<f64> = ends.iter().filter(|end| end.kind == kind && end.at == at).map(value).collect();
        median(&values)
    }

    fn early(&self, ends: &[End]) -> Claim {
        let distances: Vec<f64> = self.at.iter().map(|&at| self.median(ends, "ulp", at, |end| end.distance)).collect();
        let (first, last) = (distances[0], distances[distances.len() - 1]);
        let list_of = self.at.iter().zip(&distances).map(|(at, d)| format!("{} at {at}", about(*d)));
        claim! {
            about: "The earlier, the farther",
            paper: "Not in the paper, whose k acts in every step. If training is unstable early only, a late ulp stays small.",
            found: format!("One ulp in one weight ends at a relative L1 of {}.", list(&list_of.collect::<Vec<_>>())),
            agrees: match first.is_finite() && last.is_finite() {
                true if first > 3.0 * last => Agreement::Yes,
                true if last > 3.0 * first => Agreement::No,
                _ => Agreement::CannotTell,
            },
            certainty: format!("{}; the late ones also have fewer steps left to grow in.", count(self.seeds.len() as u64, "seed")),
        }
    }

    fn size(&self, ends: &[End]) -> Claim {
        let at = self.at[0];
        let kinds = self.kinds();
        let distances: Vec<f64> = kinds.iter().map(|kind| self.median(ends, kind, at, |end| end.distance)).collect();
        let text = kinds.iter().zip(&distances).map(|(kind, d)| {
            format!(
                "{} after {}",
                about(*d),
                if kind == "ulp" { "one ulp".to_owned() } else { format!("noise {kind}") }
            )
        });
        let largest = distances.iter().copied().fold(0.0, f64::max);
        let smallest = distances.iter().copied().fold(f64::INFINITY, f64::min);
        claim! {
            about: "The size does not matter at the start",
            paper: "Not in the paper. An exponential instability forgets the size of what it amplifies, but for the time that it takes.",
            found: format!("Perturbed before step {at}, copies end at a relative L1 of {}.", list(&text.collect::<Vec<_>>())),
            agrees: match (largest, smallest) {
                _ if distances.iter().any(|distance| !distance.is_finite()) => Agreement::CannotTell,
                (large, small) if large < 2.0 * small => Agreement::Yes,
                // Too few steps for the smallest one to grow.
                (_, small) if small < 0.01 => Agreement::CannotTell,
                _ => Agreement::No,
            },
            certainty: "Within a factor of two.",
        }
    }

    fn matters(&self, ends: &[End]) -> Claim {
        let first = self.median(ends, "ulp", self.at[0], |end| end.disagreement);
        let last = self.median(ends, "ulp", self.at[self.at.len() - 1], |end| end.disagreement);
        claim! {
            about: "One ulp changes what is learned",
            paper: "Summers and Dinneen 2021: one bit in one weight at the start changes 10.5 % of a ResNet-14's answers.",
            found: format!(
                "{} % of the test images are classified differently after one ulp before step {}, and {} % after one before step {}.",
                about(first),
                self.at[0],
                about(last),
                self.at[self.at.len() - 1]
            ),
            agrees: match first {
                first if first >= 2.0 => Agreement::Yes,
                // A short training may end before one ulp has grown.
                first if first < 0.5 && self.steps >= LONG => Agreement::No,
                _ => Agreement::CannotTell,
            },
            certainty: "Their number is for 100 epochs on CIFAR-10; a short run ends with other networks.",
        }
    }
}

impl Poke {
    fn basin(&self, ends: &[End]) -> Claim {
        // The largest size has had the most time at its full distance.
        let kinds = self.kinds();
        let (kind, what) = match self.sizes.last() {
            Some(size) => (&kinds[kinds.len() - 1], format!("noise {size}")),
            None => (&kinds[0], "one ulp".to_owned()),
        };
        let barriers: Vec<f64> = self.at.iter().map(|&at| self.median(ends, kind, at, |end| end.barriers[0])).collect();
        let (first, last) = (barriers[0], barriers[barriers.len() - 1]);
        let list_of = self.at.iter().zip(&barriers).map(|(at, barrier)| format!("{} at {at}", about(*barrier)));
        claim! {
            about: "Late ones stay in the basin",
            paper: "Frankle et al. 2020 (arXiv 1912.05671): copies that part early end in basins with a barrier between them, and copies that \
                    part late do not.",
            found: format!("After {what} the barrier in the training loss is {}.", list(&list_of.collect::<Vec<_>>())),
            agrees: match (first, last) {
                _ if barriers.iter().any(|barrier| !barrier.is_finite()) => Agreement::CannotTell,
                (_, last) if last > BARRIER => Agreement::No,
                (first, _) if first > BARRIER => Agreement::Yes,
                // No barrier at all: too few steps to part, or a single basin.
                _ => Agreement::CannotTell,
            },
            certainty: format!(
                "{}; {} points on the line, statistics of batch norms estimated anew. A barrier below {BARRIER} counts as none.",
                count(self.seeds.len() as u64, "seed"),
                LINE_POINTS
            ),
        }
    }
}

fn before(ends: &[End]) -> Claim {
    let wrong = ends.iter().filter(|end| !end.is_equal_before).count();
    claim! {
        about: "Equal until the perturbation",
        paper: "By construction: every step before it has the same bits.",
        found: match wrong {
            0 => format!("{}: no weight differed before its step.", count(ends.len() as u64, "perturbed replica")),
            n => format!("{n} of {} differed earlier.", ends.len()),
        },
        agrees: Agreement::of(wrong == 0),
        certainty: "Sure: the measured weights are compared bit by bit on the adapter after every step, all parameters at the end.",
    }
}

fn controls(runs: &[Run]) -> Claim {
    let agrees = runs.iter().map(|run| run.are_controls_zero).fold(Agreement::Yes, Agreement::and);
    claim! {
        about: "The controls stay at zero",
        paper: "Not in the paper. An undisturbed copy must not differ in a single bit.",
        found: match agrees {
            Agreement::Yes => format!("{}: 0 bits differ.", count(runs.len() as u64, "control")),
            Agreement::No => "A control differs: nothing here can be attributed to the perturbations.".to_owned(),
            Agreement::CannotTell => "Numbers stopped being finite: equal bits then prove nothing.".to_owned(),
        },
        agrees: agrees,
        certainty: "Sure: the measured weights are compared bit by bit on the adapter after every step, all parameters at the end.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::flags::Flags as _;

    /// The ends of one seed, perturbed by one ulp and by noise before steps 1 and 100: `(distance, disagreement, barrier)` of each.
    fn ends(values: [[(f64, f64, f64); 2]; 2]) -> Vec<End> {
        let end = |at, kind: &str, (distance, disagreement, barrier)| End {
            seed: 1,
            at,
            kind: kind.to_owned(),
            is_equal_before: true,
            distance,
            disagreement,
            correlation: 1.0,
            barriers: [barrier; 2],
        };
        let at = |at, [ulp, noise]: [_; 2]| [end(at, "ulp", ulp), end(at, "0.001", noise)];
        [at(1, values[0]), at(100, values[1])].concat()
    }

    fn experiment(steps: u64) -> Poke {
        Poke { at: vec![1, 100], sizes: vec![0.001], seeds: vec![1], steps, ..Poke::read(None, true) }
    }

    #[test]
    fn claims_can_be_denied_and_left_open() {
        let (near, far, lost) = ((1e-6, 0.0, 1e-7), (0.4, 20.0, 0.3), (f64::NAN, f64::NAN, f64::NAN));
        let of = |values, steps| {
            let (poke, ends) = (experiment(steps), ends(values));
            [poke.early(&ends), poke.size(&ends), poke.matters(&ends), poke.basin(&ends)].map(|claim| claim.agrees)
        };
        use Agreement::{CannotTell, No, Yes};
        assert_eq!(of([[far, far], [near, near]], 300), [Yes, Yes, Yes, Yes]);
        assert_eq!(of([[near, far], [far, far]], 300), [No, CannotTell, CannotTell, No]);
        assert_eq!(of([[near, far], [far, far]], 8000)[2], No);
        assert_eq!(of([[(0.1, 1.0, 0.0), far], [near, near]], 300)[1], No);
        assert_eq!(of([[near, near], [near, near]], 300), [CannotTell, Yes, CannotTell, CannotTell]);
        assert_eq!(of([[lost, lost], [near, near]], 300), [CannotTell; 4]);
        assert_eq!(of([[far, far], [(0.0, 0.0, 0.0), (0.0, 0.0, 0.0)]], 300), [Yes; 4], "a distance of 0 is small");
    }
}

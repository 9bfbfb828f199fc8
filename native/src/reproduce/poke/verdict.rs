//! What perturbed copies say.

use lastbit_core::train::LINE_POINTS;

use super::{End, Poke};
use crate::numbers::{about, count, list, thousands};
use crate::reproduce::controls::controls_claim;
use crate::reproduce::findings::claim;
use crate::reproduce::run::Run;
use crate::reproduce::{Agreement, Claim};
use crate::statistics::median;

/// A barrier in the loss that counts as one.
const BARRIER: f64 = 0.05;
/// Factor that a distance may rise by chance from one perturbed copy to a later one.
const CHANCE: f64 = 1.5;
/// Steps of a training at whose end one ulp has had the time to grow.
const LONG: u64 = 8000;

impl Poke {
    /// All claims.
    pub(super) fn claims(&self, runs: &[Run], ends: &[End]) -> Vec<Claim> {
        let promise = "Not in the paper. An undisturbed copy must not differ in a single bit.";
        let controls = controls_claim(promise, "the perturbations", runs.iter().map(|run| run.are_controls_zero));
        vec![self.early(ends), self.size(ends), self.matters(ends), self.basin(ends), before(ends), controls]
    }

    /// The median over the seeds; NaN if a copy has no distance, because it or the undisturbed one blew up.
    fn median(&self, ends: &[End], kind: &str, at: u64, value: fn(&End) -> f64) -> f64 {
        let of = |end: &End| if end.distance.is_finite() { value(end) } else { f64::NAN };
        let values: Vec<f64> = ends.iter().filter(|end| end.kind == kind && end.at == at).map(of).collect();
        median(&values)
    }

    fn early(&self, ends: &[End]) -> Claim {
        let distances: Vec<f64> = self.at.iter().map(|&at| self.median(ends, "ulp", at, |end| end.distance)).collect();
        let (first, last) = (distances[0], distances[distances.len() - 1]);
        let list_of = self.at.iter().zip(&distances).map(|(at, d)| format!("{} at {at}", about(*d)));
        let any = |is: fn(f64, f64) -> bool| distances.windows(2).any(|pair| is(pair[0], pair[1]));
        claim! {
            about: "The earlier, the farther",
            paper: "Not in the paper, whose k acts in every step. If training is unstable early only, a late ulp stays small.",
            found: format!("One ulp in one weight ends at a relative L1 of {}.", list(&list_of.collect::<Vec<_>>())),
            agrees: match distances.iter().all(|distance| distance.is_finite()) {
                true if first > 3.0 * last && !any(|early, late| late > CHANCE * early) => Agreement::Yes,
                true if last > 3.0 * first && !any(|early, late| early > CHANCE * late) => Agreement::No,
                _ => Agreement::CannotTell,
            },
            certainty: format!(
                "{}. Yes: from one to the next the distance rises at most by a factor of {CHANCE}, and the first is over three \
                 times the last. No: the reverse. The learning rate falls to 0, so late ones also meet smaller and fewer steps, which \
                 alone may keep them small.",
                count(self.seeds.len() as u64, "seed")
            ),
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
                // Too few steps for the smallest one to grow.
                (_, small) if small < 0.01 => Agreement::CannotTell,
                (large, small) if large < 2.0 * small => Agreement::Yes,
                _ if self.steps < LONG => Agreement::CannotTell,
                _ => Agreement::No,
            },
            certainty: format!("Yes within a factor of two; no only after at least {} steps, in which all have grown.", thousands(LONG)),
        }
    }

    fn matters(&self, ends: &[End]) -> Claim {
        let first = self.median(ends, "ulp", self.at[0], |end| end.disagreement);
        let last = self.median(ends, "ulp", self.at[self.at.len() - 1], |end| end.disagreement);
        claim! {
            about: "One ulp changes what is learned",
            paper: "Summers and Dinneen 2021: one bit in one weight at the start has nearly the effect of another seed. In the \
                    reproduction by Ahmed and Samuel (doi 10.5281/zenodo.6574623) it changes 10.5 % of a ResNet-14's answers.",
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
            certainty: format!(
                "Yes from 2 % on; no below 0.5 % after at least {} steps. Their number is for 100 epochs on CIFAR-10; a short run ends \
                 with other networks.",
                thousands(LONG)
            ),
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
            paper: "Frankle et al. 2020 (arXiv 1912.05671): copies that part early end in basins with a barrier between them, and \
                    copies that part late do not.",
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
    let of = |wanted| ends.iter().filter(|end| end.is_equal_before == wanted).count();
    let all = count(ends.len() as u64, "perturbed replica");
    claim! {
        about: "Equal until the perturbation",
        paper: "By construction: every step before it has the same bits.",
        found: match (of(Agreement::No), of(Agreement::CannotTell)) {
            (0, 0) => format!("{all}: no weight differed before its step."),
            (0, n) => format!("{n} of {all} had no number before its step: equal or not, nothing is shown."),
            (n, _) => format!("{n} of {all} differed earlier."),
        },
        agrees: ends.iter().map(|end| end.is_equal_before).fold(Agreement::Yes, Agreement::and),
        certainty: "Sure of the measured weights, those of the convolutions, whose distance is recorded after every step. Other \
                    parameters are not compared before the perturbation.",
    }
}

#[cfg(test)]
mod tests {
    use Agreement::{CannotTell, No, Yes};

    use super::*;
    use crate::reproduce::flags::Flags as _;
    use crate::reproduce::poke::is_equal;

    /// The ends of one seed, perturbed by one ulp and by noise before steps 1 and 100: `(distance, disagreement, barrier)` of each.
    fn ends(values: [[(f64, f64, f64); 2]; 2]) -> Vec<End> {
        let end = |at, kind: &str, (distance, disagreement, barrier)| End {
            seed: 1,
            at,
            kind: kind.to_owned(),
            is_equal_before: Yes,
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
        assert_eq!(of([[far, far], [near, near]], 300), [Yes, Yes, Yes, Yes]);
        assert_eq!(of([[near, far], [far, far]], 300), [No, CannotTell, CannotTell, No]);
        assert_eq!(of([[near, far], [far, far]], 8000)[2], No);
        let [short, long] = [300, 8000].map(|steps| of([[(0.1, 1.0, 0.0), far], [near, near]], steps)[1]);
        assert_eq!((short, long), (CannotTell, No));
        assert_eq!(of([[near, near], [near, near]], 300), [CannotTell; 4], "nothing has grown");
        assert_eq!(of([[lost, lost], [near, near]], 300), [CannotTell; 4]);
        assert_eq!(of([[(f64::NAN, 90.0, 0.3), far], [near, near]], 8000)[2], CannotTell, "a copy that blew up");
        assert_eq!(of([[(0.4, f64::NAN, 0.3), far], [near, near]], 8000)[2], CannotTell);
        assert_eq!(of([[far, far], [(0.0, 0.0, 0.0), (0.0, 0.0, 0.0)]], 300), [Yes; 4], "a distance of 0 is small");
    }

    #[test]
    fn all_steps_make_the_trend() {
        let of = |distances: &[f64]| {
            let at: Vec<u64> = (1..=distances.len() as u64).collect();
            let one = |(&at, &distance): (&u64, &f64)| End { at, ..ends([[(distance, 0.0, 0.0); 2]; 2])[0].clone() };
            let ends: Vec<End> = at.iter().zip(distances).map(one).collect();
            Poke { at, ..experiment(300) }.early(&ends).agrees
        };
        assert_eq!(of(&[0.4, 0.1, 0.12, 0.01]), Yes, "a small rise is chance");
        assert_eq!(of(&[0.4, 0.01, 0.3, 0.1]), CannotTell, "it falls and rises");
        assert_eq!(of(&[0.01, 0.1, 0.09, 0.4]), No);
        assert_eq!(of(&[0.4, 0.3, 0.2]), CannotTell, "hardly another");
        assert_eq!(of(&[0.4, f64::NAN, 0.01]), CannotTell);
    }

    #[test]
    fn copies_are_equal_before_or_not_or_unknown() {
        let of = |equal: [Agreement; 2]| {
            let one = |is_equal_before| End { is_equal_before, ..ends([[(0.4, 20.0, 0.3); 2]; 2])[0].clone() };
            let claim = before(&equal.map(one));
            (claim.agrees, claim.found)
        };
        assert_eq!(of([Yes, Yes]), (Yes, "2 perturbed replicas: no weight differed before its step.".to_owned()));
        assert_eq!(of([No, CannotTell]), (No, "1 of 2 perturbed replicas differed earlier.".to_owned()));
        let (agrees, found) = of([Yes, CannotTell]);
        assert!(agrees == CannotTell && found.starts_with("1 of 2"), "{found}");
        assert_eq!([0.0, 1e-9, f64::NAN].map(is_equal), [Yes, No, CannotTell]);
    }
}

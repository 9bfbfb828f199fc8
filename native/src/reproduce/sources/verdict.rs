//! What the sources say.

use super::{Group, Source, Sources, Trained};
use crate::numbers::{about, count, list};
use crate::reproduce::controls::controls_claim;
use crate::reproduce::findings::claim;
use crate::reproduce::flags::Flags as _;
use crate::reproduce::{Agreement, Claim};
use crate::statistics::{Deviation, Interval, ends};

/// Effects within this factor count as alike.
const ALIKE: f64 = 1.5;
/// Steps of a training from which on its end is one of a trained network: about a quarter of the published ones.
const LONG: u64 = 9_000;
/// Trainings from which on deviations are called alike.
const ENOUGH: usize = 20;
/// Epochs of a training that is compared with the published ones, which have 100.
const PUBLISHED_EPOCHS: std::ops::RangeInclusive<u32> = 80..=125;
/// What a reproduction of Summers & Dinneen 2021 reports for one bit and 25 trainings of a ResNet-14 on CIFAR-10 over 100 epochs:
/// disagreement in percent, correlation, ensemble gain in points (Ahmed & Samuel, ReScience C, ML Reproducibility Challenge 2021, table 8,
/// doi 10.5281/zenodo.6574623). Summers & Dinneen train 100 networks over 500 epochs.
const PUBLISHED: [f64; 3] = [10.5, 0.913, 1.58];
/// How near a number must be to the published one, as a part of it.
const NEAR: [f64; 3] = [0.25, 0.05, 0.5];

impl Trained {
    fn group(&self, source: Source) -> &Group {
        self.groups
            .iter()
            .find(|group| group.source == source)
            .unwrap_or_else(|| unreachable!("every source is trained"))
    }

    fn disagreement(&self, source: Source) -> Option<Interval> {
        self.group(source).mean(|pair| pair.disagreement)
    }
}

fn text(interval: Option<Interval>) -> String {
    interval.map_or_else(
        || "not finite".to_owned(),
        |i| format!("{} ({} to {})", about(i.mean), about(i.low), about(i.high)),
    )
}

/// Whether two effects are within a factor of [`ALIKE`]: yes if the whole 95 % interval of their ratio is, no if all of it is not. Groups
/// share their first training; to take them for independent makes the interval wider rather than narrower.
fn is_alike(a: Option<Interval>, b: Option<Interval>) -> Agreement {
    let (Some(a), Some(b)) = (a, b) else { return Agreement::CannotTell };
    // A ratio needs something to compare with.
    if b.mean.is_nan() || b.mean <= 0.0 {
        return Agreement::CannotTell;
    }
    match [a.times_less(ALIKE, b), b.times_less(ALIKE, a)] {
        differences if differences.iter().all(|difference| difference.low >= 0.0) => Agreement::Yes,
        differences if differences.iter().any(|difference| difference.high < 0.0) => Agreement::No,
        _ => Agreement::CannotTell,
    }
}

/// Whether a number is within this part of the published one, with its whole 95 % interval.
fn is_near(found: Option<Interval>, published: f64, within: f64) -> Agreement {
    let (low, high) = (published * (1.0 - within), published * (1.0 + within));
    match found {
        Some(found) if found.low >= low && found.high <= high => Agreement::Yes,
        Some(found) if found.high < low || found.low > high => Agreement::No,
        _ => Agreement::CannotTell,
    }
}

impl Sources {
    /// All claims.
    pub(super) fn claims(&self, trained: &Trained) -> Vec<Claim> {
        let promise = "Not in the papers. A copy with k = 2, and an undisturbed one, must not differ in a single bit.";
        let verdicts = trained.lockstep.iter().map(|run| run.are_controls_zero);
        vec![
            self.each_alone(trained),
            self.small_ones(trained, Source::Bit),
            self.small_ones(trained, Source::K),
            self.published(trained),
            self.spreads(trained),
            controls_claim(promise, "k or to the bit", verdicts),
        ]
    }

    /// A short training ends before the last bits have grown.
    fn is_long(&self, trained: &Trained) -> bool {
        trained.steps >= LONG
    }

    /// The rule of [`is_alike`].
    fn rule(&self) -> String {
        format!(
            "Yes if the 95 % interval of the ratio lies within a factor of {ALIKE}, no if it lies outside; intervals in brackets, from {} \
             for each.",
            count(self.copies.into(), "training")
        )
    }

    fn each_alone(&self, trained: &Trained) -> Claim {
        let alone = [Source::Init, Source::Order, Source::Augmentation];
        let all = trained.disagreement(Source::All);
        let each: Vec<Agreement> = alone.iter().map(|source| is_alike(trained.disagreement(*source), all)).collect();
        let found = alone.iter().map(|source| format!("{} % by {source}", text(trained.disagreement(*source))));
        claim! {
            about: "Each seed alone does what all do",
            paper: "Summers and Dinneen 2021: every source of nondeterminism alone has nearly the effect of all together.",
            found: format!("Disagreement of {}, and {} % by all of these.", list(&found.collect::<Vec<_>>()), text(all)),
            agrees: each.into_iter().fold(Agreement::Yes, Agreement::and),
            certainty: self.rule(),
        }
    }

    fn small_ones(&self, trained: &Trained, source: Source) -> Claim {
        let (of_source, all) = (trained.disagreement(source), trained.disagreement(Source::All));
        let agrees = match is_alike(of_source, all) {
            Agreement::No if !self.is_long(trained) => Agreement::CannotTell,
            agrees => agrees,
        };
        let (about, paper) = match source {
            Source::Bit => (
                "One bit does what all seeds do",
                "Summers and Dinneen 2021: one bit in one weight at the start has nearly the effect of all seeds together.",
            ),
            _ => (
                "k does what all seeds do",
                "The paper's Table 1: over k, the results vary as over seeds. Here by disagreement; the deviation is below.",
            ),
        };
        claim! {
            about: about,
            paper: paper,
            found: format!("Disagreement of {} % by {source}, and {} % by all seeds.", text(of_source), text(all)),
            agrees: agrees,
            certainty: match self.is_long(trained) {
                true => self.rule(),
                false => format!("{} A training of {} steps cannot say no: its copies are still parting.", self.rule(), trained.steps),
            },
        }
    }

    fn published(&self, trained: &Trained) -> Claim {
        let bit = trained.group(Source::Bit);
        let found = [
            bit.mean(|pair| pair.disagreement),
            bit.mean(|pair| pair.correlation),
            bit.mean(|pair| pair.ensemble_gain),
        ];
        let is_theirs = self.is_theirs();
        let each =
            found.iter().zip(PUBLISHED).zip(NEAR).map(|((found, published), near)| is_near(*found, published, near));
        claim! {
            about: "The numbers for one bit",
            paper: format!(
                "Ahmed and Samuel (doi 10.5281/zenodo.6574623), who reproduce Summers and Dinneen 2021, ResNet-14, CIFAR-10, 100 epochs, \
                 25 trainings: disagreement {} %, correlation {}, ensemble gain {}.",
                PUBLISHED[0], PUBLISHED[1], PUBLISHED[2]
            ),
            found: format!(
                "Disagreement {} %, correlation {}, ensemble gain {} points.",
                text(found[0]), text(found[1]), text(found[2])
            ),
            agrees: match is_theirs {
                false => Agreement::CannotTell,
                true => each.fold(Agreement::Yes, Agreement::and),
            },
            certainty: match is_theirs {
                true => "Yes if each 95 % interval is within a quarter, a twentieth and a half of their number, no if one is outside. \
                         Their recipe is another."
                    .to_owned(),
                false => format!(
                    "Only the full size can be compared with their numbers: its network and recipe, about 100 epochs and at least {ENOUGH} \
                     trainings."
                ),
            },
        }
    }

    /// Whether the trainings are those of the full size, whose numbers may be compared with the published ones.
    fn is_theirs(&self) -> bool {
        let full = Self::read(None, false);
        let own = |of: &Self| (of.net, of.activation, of.dataset, of.batch_size, of.train_limit, of.test_limit);
        own(self) == own(&full)
            && (self.lr, self.momentum) == (full.lr, full.momentum)
            && PUBLISHED_EPOCHS.contains(&self.epochs)
            && self.copies as usize >= ENOUGH
    }

    fn spreads(&self, trained: &Trained) -> Claim {
        let spreads: Vec<(Source, Option<Deviation>)> =
            trained.groups.iter().map(|group| (group.source, group.spread())).collect();
        let each = spreads.iter().map(|(source, spread)| match spread {
            Some(spread) => {
                let (low, high) = spread.interval();
                format!("{} ({} to {}) by {source}", about(spread.ddof1), about(low), about(high))
            }
            None => format!("not finite by {source}"),
        });
        let all = trained.group(Source::All).spread().map(|spread| spread.interval());
        // In a short training the last bits have not grown yet, and their deviation is small for that reason alone.
        let is_apart = |spread: &Option<Deviation>| match (spread.map(|spread| spread.interval()), all) {
            (Some(a), Some(b)) => a.1 < b.0 || b.1 < a.0,
            _ => false,
        };
        let apart: Vec<Source> =
            spreads.iter().filter(|(_, spread)| is_apart(spread)).map(|(source, _)| *source).collect();
        let is_denied = apart.iter().any(|source| self.is_long(trained) || !source.is_in_lockstep());
        let known: Vec<f64> = spreads.iter().filter_map(|(_, spread)| Some(spread.as_ref()?.ddof1)).collect();
        let is_known = known.len() == spreads.len();
        let (smallest, largest) = ends(known);
        claim! {
            about: "The spread of the accuracy is alike",
            paper: "Summers and Dinneen 2021, and the paper's Table 1: the deviation of the accuracy hardly depends on the source.",
            found: format!("Deviation of the test accuracy in points: {}.", list(&each.collect::<Vec<_>>())),
            // Few trainings have wide intervals, which overlap whatever is true.
            agrees: match trained.groups[0].accuracy.len() >= ENOUGH && is_known && apart.is_empty() {
                _ if is_denied => Agreement::No,
                true if smallest > 0.0 && largest <= 2.0 * smallest => Agreement::Yes,
                _ => Agreement::CannotTell,
            },
            certainty: format!(
                "Yes: all 95 % intervals overlap with that of all seeds, and from at least {ENOUGH} trainings the deviations are within a \
                 factor of two. No: one does not overlap{}.",
                if self.is_long(trained) { "" } else { ", but for k and one bit, which are still parting" }
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use lastbit_core::train::Similarity;

    use super::*;
    use Agreement::{CannotTell, No, Yes};

    #[test]
    fn effects_are_compared_by_the_interval_of_their_ratio() {
        let of = |a: [f64; 3], b: [f64; 3]| {
            let [a, b] = [a, b].map(|[low, mean, high]| Some(Interval { mean, low, high }));
            is_alike(a, b)
        };
        assert_eq!(of([9.0, 10.0, 11.0], [11.0, 12.0, 13.0]), Yes);
        assert_eq!(of([11.0, 12.0, 13.0], [9.0, 10.0, 11.0]), Yes);
        assert_eq!(of([1.0, 2.0, 3.0], [11.0, 12.0, 13.0]), No);
        assert_eq!(of([11.0, 12.0, 13.0], [1.0, 2.0, 3.0]), No, "far larger is not alike");
        assert_eq!(of([18.0, 19.81, 22.0], [27.0, 29.68, 32.0]), CannotTell, "a ratio of 1.5, on either side");
        assert_eq!(of([2.0, 10.0, 18.0], [11.0, 12.0, 13.0]), CannotTell, "too wide");
        assert_eq!(of([0.0; 3], [11.0, 12.0, 13.0]), No, "no effect at all");
        assert_eq!(of([0.0; 3], [0.0; 3]), CannotTell, "nothing to compare with");
        assert_eq!(of([1.0; 3], [f64::NAN; 3]), CannotTell);
        assert_eq!(is_alike(None, Some(Interval { mean: 1.0, low: 1.0, high: 1.0 })), CannotTell);
    }

    /// Trainings whose pairs have this disagreement, correlation and gain, up to 2 % above and below, and accuracies with this deviation.
    fn group(source: Source, n: usize, values: [f64; 3], deviation: f64) -> Group {
        let sign = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -1.0 };
        let pair = |i: usize, j: usize| {
            let [disagreement, correlation, ensemble_gain] =
                values.map(|value| value * (1.0 + 0.01 * (sign(i) + sign(j))));
            Similarity {
                disagreement,
                correlation,
                ensemble_gain,
                logit_correlation: 0.5,
                logit_rank_correlation: 0.5,
                logit_ensemble_gain: 0.5,
            }
        };
        Group {
            source,
            accuracy: (0..n).map(|i| 90.0 + deviation * sign(i)).collect(),
            pairs: (0..n).map(|i| (i + 1..n).map(|j| pair(i, j)).collect()).collect(),
        }
    }

    /// Groups of `n` trainings as in the published ones, but for the one with `source`.
    fn trained(n: usize, steps: u64, source: Source, values: [f64; 3], deviation: f64) -> Trained {
        let of = |other| match other == source {
            true => group(source, n, values, deviation),
            false => group(other, n, PUBLISHED, 0.25),
        };
        Trained { groups: super::super::SOURCES.map(of).into(), lockstep: Vec::new(), steps }
    }

    #[test]
    fn a_source_alone_does_what_all_do_or_less_or_is_unknown() {
        let experiment = Sources::read(None, true);
        let with = |source, steps, disagreement| {
            let trained = trained(5, steps, source, [disagreement, 0.9, 1.0], 0.25);
            (experiment.each_alone(&trained).agrees, experiment.small_ones(&trained, source).agrees)
        };
        assert_eq!(with(Source::Bit, 600, 10.0), (Yes, Yes));
        assert_eq!(with(Source::Bit, LONG, 3.0), (Yes, No));
        assert_eq!(with(Source::Bit, 600, 3.0), (Yes, CannotTell), "a short training cannot say no");
        assert_eq!(with(Source::K, 600, 7.0), (Yes, CannotTell), "at the factor");
        assert_eq!(with(Source::K, LONG, f64::NAN), (Yes, CannotTell));
        assert_eq!(with(Source::K, LONG, 0.0), (Yes, No));
        assert_eq!(with(Source::Order, 600, 3.0).0, No);
        assert_eq!(with(Source::Order, 600, f64::NAN).0, CannotTell);
        assert_eq!(with(Source::All, LONG, 0.0), (CannotTell, CannotTell), "nothing to compare with");
    }

    #[test]
    fn numbers_are_compared_with_the_published_ones_at_their_size_only() {
        let full = || Sources::read(None, false);
        let of =
            |experiment: &Sources, values| experiment.published(&trained(25, LONG, Source::Bit, values, 0.25)).agrees;
        assert_eq!(of(&full(), PUBLISHED), Yes);
        assert_eq!(of(&full(), [20.0, 0.913, 1.58]), No);
        assert_eq!(of(&full(), [10.5 * 1.25, 0.913, 1.58]), CannotTell, "the interval has the limit in it");
        assert_eq!(of(&full(), [f64::NAN; 3]), CannotTell);
        for other in [
            Sources { copies: 19, ..full() },
            Sources { epochs: 79, ..full() },
            Sources { epochs: 500, ..full() },
            Sources { batch_size: 32, ..full() },
            Sources { lr: 0.01, ..full() },
            Sources { momentum: 0.0, ..full() },
            Sources { activation: lastbit_core::ops::Activation::Tanh, ..full() },
            Sources { net: lastbit_core::nets::NetKind::ResNet { depth: 8 }, ..full() },
            Sources { dataset: lastbit_core::train::DatasetKind::FashionMnist, ..full() },
            Sources { train_limit: Some(10_000), ..full() },
            Sources { test_limit: Some(1000), ..full() },
        ] {
            assert_eq!(of(&other, PUBLISHED), CannotTell);
        }
    }

    #[test]
    fn deviations_are_alike_or_apart_or_unknown() {
        let experiment = Sources::read(None, true);
        let of = |n, steps, source, deviation| {
            let claim = experiment.spreads(&trained(n, steps, source, PUBLISHED, deviation));
            (claim.agrees, claim.found)
        };
        assert_eq!(of(25, LONG, Source::Order, 0.3).0, Yes);
        assert_eq!(of(25, LONG, Source::Order, 1.0).0, No);
        assert_eq!(of(25, LONG, Source::K, 0.01).0, No);
        assert_eq!(of(25, 600, Source::K, 0.01).0, CannotTell, "still parting");
        assert_eq!(of(5, LONG, Source::Order, 0.3).0, CannotTell, "too few");
        let (agrees, found) = of(25, LONG, Source::Order, f64::NAN);
        assert!(agrees == CannotTell && found.contains("not finite by order"), "{found}");
        assert_eq!(of(25, LONG, Source::All, f64::NAN).0, CannotTell);
    }
}

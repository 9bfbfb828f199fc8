//! What the sources say.

use lastbit_core::train::DatasetKind;

use super::{Group, Source, Sources, Trained};
use crate::numbers::{about, count, list};
use crate::reproduce::findings::claim;
use crate::reproduce::{Agreement, Claim};
use crate::statistics::{Interval, ends};

/// Effects within this factor count as alike.
const ALIKE: f64 = 1.5;
/// Steps of a training from which on its end is one of a trained network: about a quarter of the published ones.
const LONG: u64 = 9_000;
/// Trainings from which on deviations are called alike.
const ENOUGH: usize = 20;
/// Fewest epochs of a training that is compared with theirs, of 100.
const PUBLISHED_EPOCHS: u32 = 80;
/// What Summers & Dinneen 2021 report for one bit and 25 trainings of a ResNet-14 on CIFAR-10 over 100 epochs: disagreement in percent,
/// correlation, ensemble gain in points.
const PUBLISHED: [f64; 3] = [10.5, 0.913, 1.58];

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

/// Whether the effect of `a` is at least that of `b` divided by [`ALIKE`], from means and intervals.
fn is_as_large(a: Option<Interval>, b: Option<Interval>) -> Agreement {
    match (a, b) {
        (Some(a), Some(b)) if a.low * ALIKE >= b.high => Agreement::Yes,
        (Some(a), Some(b)) if a.high * ALIKE < b.low => Agreement::No,
        // Intervals that overlap are still narrow enough for their means.
        (Some(a), Some(b)) if is_narrow(a) && is_narrow(b) => Agreement::of(a.mean * ALIKE >= b.mean),
        _ => Agreement::CannotTell,
    }
}

fn is_narrow(interval: Interval) -> bool {
    interval.high - interval.low < 0.5 * interval.mean.abs()
}

impl Sources {
    /// All claims.
    pub(super) fn claims(&self, trained: &Trained) -> Vec<Claim> {
        vec![
            self.each_alone(trained),
            self.small_ones(trained, Source::Bit),
            self.small_ones(trained, Source::K),
            self.published(trained),
            spreads(trained),
            controls(trained),
        ]
    }

    /// A short training ends before the last bits have grown.
    fn is_long(&self, trained: &Trained) -> bool {
        trained.steps >= LONG
    }

    fn each_alone(&self, trained: &Trained) -> Claim {
        let alone = [Source::Init, Source::Order, Source::Augmentation];
        let all = trained.disagreement(Source::All);
        let each: Vec<Agreement> = alone.iter().map(|source| is_as_large(trained.disagreement(*source), all)).collect();
        let found = alone.iter().map(|source| format!("{} % by {source}", text(trained.disagreement(*source))));
        claim! {
            about: "Each seed alone does what all do",
            paper: "Summers and Dinneen 2021: every source of nondeterminism alone has nearly the effect of all together.",
            found: format!("Disagreement of {}, and {} % by all of these.", list(&found.collect::<Vec<_>>()), text(all)),
            agrees: each.into_iter().fold(Agreement::Yes, Agreement::and),
            certainty: format!(
                "Within a factor of {ALIKE}, by the 95 % intervals in brackets, or by the means if the intervals are narrower than half of \
                 them; from {}.",
                count(self.copies.into(), "training")
            ),
        }
    }

    fn small_ones(&self, trained: &Trained, source: Source) -> Claim {
        let (of_source, all) = (trained.disagreement(source), trained.disagreement(Source::All));
        let agrees = match is_as_large(of_source, all) {
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
                true => format!("Within a factor of {ALIKE}."),
                false => format!(
                    "Within a factor of {ALIKE}. A training of {} steps cannot say no: its copies are still parting.",
                    trained.steps
                ),
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
        let is_whole = self.train_limit.is_none() && self.test_limit.is_none();
        let is_theirs = self.net.to_string() == "resnet14"
            && self.dataset == DatasetKind::Cifar10
            && is_whole
            && self.epochs >= PUBLISHED_EPOCHS
            && found.iter().all(Option::is_some);
        let near = |found: Option<Interval>, published: f64, within: f64| {
            found.is_some_and(|found| (found.mean / published - 1.0).abs() < within)
        };
        claim! {
            about: "The numbers for one bit",
            paper: format!(
                "Summers and Dinneen 2021, ResNet-14, CIFAR-10, 100 epochs, 25 trainings: disagreement {} %, correlation {}, ensemble gain {}.",
                PUBLISHED[0], PUBLISHED[1], PUBLISHED[2]
            ),
            found: format!(
                "Disagreement {} %, correlation {}, ensemble gain {} points.",
                text(found[0]), text(found[1]), text(found[2])
            ),
            agrees: match is_theirs {
                false => Agreement::CannotTell,
                true => Agreement::of(
                    near(found[0], PUBLISHED[0], 0.25) && near(found[1], PUBLISHED[1], 0.05) && near(found[2], PUBLISHED[2], 0.5),
                ),
            },
            certainty: match is_theirs {
                true => "Within a quarter, a twentieth and a half of their numbers; their recipe is another.".to_owned(),
                false => "Only a ResNet-14 after about 100 epochs can be compared with their numbers.".to_owned(),
            },
        }
    }
}

fn spreads(trained: &Trained) -> Claim {
    let spreads: Vec<_> = trained.groups.iter().filter_map(|group| Some((group.source, group.spread()?))).collect();
    let each = spreads.iter().map(|(source, spread)| {
        let (low, high) = spread.interval();
        format!("{} ({} to {}) by {source}", about(spread.ddof1), about(low), about(high))
    });
    let of = |source| spreads.iter().find(|(found, _)| *found == source).map(|(_, spread)| spread.interval());
    let apart = |source| match (of(source), of(Source::All)) {
        (Some(a), Some(b)) => a.1 < b.0 || b.1 < a.0,
        _ => false,
    };
    let (smallest, largest) = ends(spreads.iter().map(|(_, spread)| spread.ddof1));
    let is_apart = trained.groups.iter().any(|group| apart(group.source));
    claim! {
        about: "The spread of the accuracy is alike",
        paper: "Summers and Dinneen 2021, and the paper's Table 1: the deviation of the accuracy hardly depends on the source.",
        found: format!("Deviation of the test accuracy in points: {}.", list(&each.collect::<Vec<_>>())),
        // Few trainings have wide intervals, which overlap whatever is true.
        agrees: match (is_apart, trained.groups[0].accuracy.len() >= ENOUGH) {
            (true, _) => Agreement::No,
            (false, true) if largest <= 2.0 * smallest => Agreement::Yes,
            (false, _) => Agreement::CannotTell,
        },
        certainty: match is_apart {
            true => "Some 95 % intervals do not overlap.".to_owned(),
            false => format!(
                "All 95 % intervals overlap with that of all seeds. Alike: also within a factor of two, from at least {ENOUGH} trainings."
            ),
        },
    }
}

fn controls(trained: &Trained) -> Claim {
    let agrees = trained.lockstep.iter().map(|run| run.are_controls_zero).fold(Agreement::Yes, Agreement::and);
    claim! {
        about: "The controls stay at zero",
        paper: "Not in the papers. A copy with k = 2, and an undisturbed one, must not differ in a single bit.",
        found: match agrees {
            Agreement::Yes => format!("{}: 0 bits differ.", count(trained.lockstep.len() as u64, "control")),
            Agreement::No => "A control differs: nothing here can be attributed to k or to the bit.".to_owned(),
            Agreement::CannotTell => "Numbers stopped being finite: equal bits then prove nothing.".to_owned(),
        },
        agrees: agrees,
        certainty: "Sure: the measured weights are compared bit by bit on the adapter after every step, all parameters at the end.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_are_compared_by_intervals_then_by_means() {
        let of = |a: [f64; 3], b: [f64; 3]| {
            let [a, b] = [a, b].map(|[low, mean, high]| Some(Interval { mean, low, high }));
            is_as_large(a, b)
        };
        assert_eq!(of([9.0, 10.0, 11.0], [11.0, 12.0, 13.0]), Agreement::Yes);
        assert_eq!(of([1.0, 2.0, 3.0], [11.0, 12.0, 13.0]), Agreement::No);
        assert_eq!(of([8.5, 10.0, 11.5], [11.0, 13.0, 15.0]), Agreement::Yes, "by the means");
        assert_eq!(of([7.0, 8.0, 9.0], [11.0, 13.0, 15.0]), Agreement::No, "by the means");
        assert_eq!(of([2.0, 10.0, 18.0], [11.0, 12.0, 13.0]), Agreement::CannotTell, "too wide");
        assert_eq!(is_as_large(None, Some(Interval { mean: 1.0, low: 1.0, high: 1.0 })), Agreement::CannotTell);
    }
}

//! What the rates say about the paper's claims.

use lastbit_core::nets::NetKind;

use super::{Probe, Threshold, bracket};
use crate::numbers::{about, count, list};
use crate::reproduce::controls::{BY_THE_ARITHMETIC, controls_claim};
use crate::reproduce::findings::claim;
use crate::reproduce::{Agreement, Claim};

/// The paper's initial rate.
const USUAL_LR: f64 = 0.1;
/// Fewest seeds whose median shows the order of rates.
const ENOUGH: usize = 3;

impl Threshold {
    /// All claims.
    pub(super) fn claims(&self, probes: &[Probe]) -> Vec<Claim> {
        let found = bracket(probes, self.distance);
        let seeds = count(self.seeds.len() as u64, "seed");
        let (low, high) = (&probes[0], &probes[probes.len() - 1]);
        let threshold = claim! {
            about: "A small enough rate removes the divergence",
            paper: "The divergence can be eliminated by the choice of the learning rate.",
            found: match found {
                Some((below, above)) => format!(
                    "Up to scaled time {} k = 3 stays within {} of k = 1 at lr {below} and leaves at lr {above}: the threshold is \
                     about {}.",
                    self.scaled_time,
                    self.distance,
                    about((below * above).sqrt())
                ),
                None if low.median() > self.distance => {
                    let end = match low.median() {
                        distance if distance.is_finite() => format!("the distance comes to {}", about(distance)),
                        _ => "numbers stop being finite".to_owned(),
                    };
                    format!("Even at lr {} {end}: the threshold is below --lr-min.", low.lr)
                }
                None => format!(
                    "Even at lr {} the distance is only {}: the threshold is above --lr-max.",
                    high.lr,
                    about(high.median())
                ),
            },
            agrees: if found.is_some() { Agreement::Yes } else { Agreement::CannotTell },
            certainty: format!(
                "{seeds} for each rate. A longer run could still leave: the threshold holds for this scaled time and distance."
            ),
        };
        let after = found.map_or(f64::INFINITY, |(_, above)| above);
        let exceptions: Vec<String> = probes
            .iter()
            .filter(|probe| probe.lr > after && probe.median() <= self.distance)
            .map(|probe| format!("lr {}", probe.lr))
            .collect();
        let monotone = claim! {
            about: "The larger the rate, the larger the divergence",
            paper: "Distances are ordered by the learning rate.",
            found: match exceptions.as_slice() {
                [] => {
                    format!("Of {}, none above the threshold stays close.", count(probes.len() as u64, "rate"))
                }
                some => format!("Above the threshold, k = 3 stayed close again at {}.", list(some)),
            },
            agrees: match (found, exceptions.is_empty()) {
                (Some(_), true) => Agreement::Yes,
                (Some(_), false) if self.seeds.len() >= ENOUGH => Agreement::No,
                _ => Agreement::CannotTell,
            },
            certainty: format!(
                "Bisection relies on this order and finds one edge. A single seed can deviate by orders of magnitude, so an \
                 exception counts only in the median of at least {ENOUGH} seeds."
            ),
        };
        let is_the_papers = self.net == NetKind::ResNet { depth: 56 } && self.batch_size == 128;
        let usual = claim! {
            about: format!("The common rate {USUAL_LR} is above the threshold"),
            paper: "Common training takes place above the threshold: its instabilities are restrained and do not blow up.",
            found: found.map_or("No threshold was found.".to_owned(), |(below, above)| {
                format!("The threshold lies between {below} and {above}.")
            }),
            agrees: match found {
                Some((_, above)) if above <= USUAL_LR => Agreement::Yes,
                // A claim about the paper's network does not cover a shallower one or a smaller batch.
                Some((below, _)) if below >= USUAL_LR && is_the_papers => Agreement::No,
                _ => Agreement::CannotTell,
            },
            certainty: format!(
                "For {}, momentum {}, batch {} and this length; the paper has ResNet-56 at batch 128.",
                self.net, self.momentum, self.batch_size
            ),
        };
        // One verdict for each rate and seed.
        let verdicts = probes.iter().flat_map(|probe| &probe.controls).copied();
        let controls = controls_claim(BY_THE_ARITHMETIC, "k", verdicts);
        vec![threshold, monotone, usual, controls]
    }
}

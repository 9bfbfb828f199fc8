//! What the runs say about the paper's claims.

use lastbit_core::ops::Activation;
use lastbit_core::train::DatasetKind;

use super::curves::{Curve, Runs, distance_at, last_distance, n_of};
use super::{Fig2, MACROSCOPIC, PERTURBED, rate};
use crate::numbers::{about, count, list, range};
use crate::reproduce::findings::claim;
use crate::reproduce::growth::{self, VISIBLE, reaches};
use crate::reproduce::trained::{TrainedRun, judge_controls};
use crate::reproduce::{Agreement, Claim};
use crate::statistics::{ends, median};

/// Known values of ResNet-20 with Swish at batch 128, from four seeds (docs/RULES.md).
const REFERENCE_N: u64 = 2;
const REFERENCE_STEP_1: [f64; 2] = [2e-10, 4e-10];
const REFERENCE_FACTOR: f64 = 5.0;
const REFERENCE_STEPS: u64 = 50;

impl Fig2 {
    /// All claims.
    pub(super) fn claims(&self, runs: &Runs, curves: &[Curve]) -> Vec<Claim> {
        let Runs { main, forms, .. } = runs;
        let seeds = count(self.seeds.len() as u64, "seed");
        let mut claims = vec![self.begins(main), self.amplified(main, &seeds)];
        claims.extend(self.vanishes(curves, &seeds));
        claims.extend(self.k_versus_seeds(runs));
        claims.push(controls(main));
        claims.extend(self.forms_claim(forms));
        claims
    }

    fn begins(&self, main: &[&TrainedRun]) -> Claim {
        let at = |wanted: u64| {
            main.iter().filter(move |trained| n_of(trained) == wanted).filter_map(|trained| distance_at(trained, 1))
        };
        let first: Vec<f64> = main.iter().filter_map(|trained| distance_at(trained, 1)).collect();
        let (low, high) = ends(first.iter().copied());
        let mut claim = claim! {
            about: "It begins in the last bit",
            paper: "k divides the update and multiplies the rate: in exact arithmetic nothing changes, in float32 the last bit does.",
            found: format!(
                "After step 1, k = 3 is {} from k = 1 (relative L1 over all convolutions).",
                range(first, about).unwrap_or_default()
            ),
            agrees: match (low, high) {
                (_, high) if high >= 1e-6 => Agreement::No,
                (low, _) if low > 0.0 => Agreement::Yes,
                // A rate may be so small that no weight moves by an ulp in one step.
                _ => Agreement::CannotTell,
            },
            certainty: "Sure: measured on every weight. One ulp of one weight is a relative distance of about 1e-7, and few weights change.",
        };
        if self.is_reference() {
            let (low, high) = ends(at(REFERENCE_N));
            let [from, to] = REFERENCE_STEP_1;
            claim.paper += &format!(
                " Measured elsewhere with the authors' protocol for this network at lr {}: {} to {} after step 1.",
                rate(REFERENCE_N),
                about(from),
                about(to)
            );
            claim.found +=
                &format!(" At lr {} it is {}.", rate(REFERENCE_N), range([low, high], about).unwrap_or_default());
            claim.agrees = Agreement::of(low >= from / REFERENCE_FACTOR && high <= to * REFERENCE_FACTOR);
            claim.certainty +=
                &format!(" Agreement means within a factor of {REFERENCE_FACTOR}: another adapter rounds differently.");
        }
        claim
    }

    /// True for the network and settings whose values are known.
    fn is_reference(&self) -> bool {
        self.net.to_string() == "resnet20"
            && self.activation == Activation::Swish { beta: 5.0 }
            && self.dataset == DatasetKind::Cifar10
            && self.batch_size == 128
            && self.ns.contains(&REFERENCE_N)
    }

    fn amplified(&self, main: &[&TrainedRun], seeds: &str) -> Claim {
        let n = self.smallest_n();
        let largest: Vec<&&TrainedRun> = main.iter().filter(|trained| n_of(trained) == n).collect();
        // The known values are of the first 50 steps; the paper's curves are 100 n long.
        let least = if self.is_reference() { REFERENCE_STEPS } else { 100 * n };
        let is_soon = |step: &u64| !self.is_reference() || *step <= REFERENCE_STEPS;
        let by: Vec<Option<u64>> =
            largest.iter().map(|trained| reaches(&trained.distances(PERTURBED), MACROSCOPIC).filter(is_soon)).collect();
        let ends: Vec<f64> = largest.iter().filter_map(|trained| last_distance(trained)).collect();
        let last = largest.first().and_then(|trained| trained.run.steps.last()).copied().unwrap_or(0);
        let reached: Vec<f64> = by.iter().flatten().map(|step| *step as f64).collect();
        let when = range(reached.iter().copied(), |step| format!("{step:.0}"))
            .map_or_else(|| "was not reached".to_owned(), |steps| format!("was passed at step {steps}"));
        claim! {
            about: format!("At lr {} the difference is amplified", rate(n)),
            paper: "A large learning rate amplifies the difference until the copies are visibly different networks, within tens of \
                iterations.",
            found: format!("A distance of {MACROSCOPIC} {when}; after step {last} the copies are {} apart.", range(ends, about).unwrap_or_default()),
            agrees: match (reached.len(), last) {
                (n, _) if n == by.len() => Agreement::Yes,
                (_, last) if last < least => Agreement::CannotTell,
                _ => Agreement::No,
            },
            certainty: format!("{seeds}; the controls show that k alone is the reason. While the distance grows, seeds differ by \
                orders of magnitude."),
        }
    }

    /// A smaller rate diverges less, judged at the end of the shortest curve in scaled iterations for rates four times apart; a
    /// small enough rate does not diverge.
    fn vanishes(&self, curves: &[Curve], seeds: &str) -> Vec<Claim> {
        let end = curves
            .iter()
            .filter_map(|curve| curve.points.last())
            .map(|point| point.scaled)
            .fold(f64::INFINITY, f64::min);
        let at_end: Vec<(u64, f64)> =
            curves.iter().filter_map(|curve| Some((curve.n, curve.median_at(end)?))).collect();
        let pairs: Vec<[(u64, f64); 2]> = at_end
            .iter()
            .flat_map(|&large| {
                at_end.iter().filter(move |small| small.0 == 4 * large.0).map(move |&small| [large, small])
            })
            .collect();
        let texts: Vec<String> =
            at_end.iter().map(|(n, distance)| format!("{} at lr {}", about(*distance), rate(*n))).collect();
        let mut claims = Vec::new();
        if !pairs.is_empty() {
            let ordered = pairs.iter().filter(|[large, small]| small.1 < large.1).count();
            claims.push(claim! {
                about: "A smaller rate amplifies less",
                paper: "The smaller the learning rate, the smaller the distance at the same scaled iteration (step / n).",
                found: format!(
                    "At scaled iteration {}: {}. Of {} of rates four times apart, {ordered} {} in this order.",
                    about(end),
                    list(&texts),
                    count(pairs.len() as u64, "pair"),
                    if ordered == 1 { "is" } else { "are" }
                ),
                agrees: match self.seeds.len() {
                    0..3 => Agreement::CannotTell,
                    _ => Agreement::of(ordered == pairs.len()),
                },
                certainty: format!(
                    "{seeds} for each rate. A single seed can deviate by orders of magnitude while the distance grows, so a \
                     verdict needs medians of three."
                ),
            });
        }
        let small = curves.iter().filter(|curve| curve.n >= 32).filter_map(|curve| Some((curve.n, growth_of(curve)?)));
        let small: Vec<(u64, f64)> = small.collect();
        let longest = curves.last().and_then(|curve| curve.points.last()).map_or(0.0, |point| point.scaled);
        claims.push(claim! {
            about: "A small enough rate removes the divergence",
            paper: "At a small enough learning rate the distance stays at the level of rounding.",
            found: match small.as_slice() {
                [] => format!(
                    "The smallest rate here is {}: too large to decide.",
                    rate(self.ns.last().copied().unwrap_or(1))
                ),
                all => {
                    let texts: Vec<String> =
                        all.iter().map(|(n, most)| format!("at most {} at lr {}", about(*most), rate(*n))).collect();
                    format!("The median distance of the followed tensor is {}.", list(&texts))
                }
            },
            agrees: match small.last() {
                None => Agreement::CannotTell,
                // After so short a time, large rates have not left either.
                Some((_, most)) if *most < 1e-5 && longest >= 25.0 => Agreement::Yes,
                Some((_, most)) if *most < 1e-5 => Agreement::CannotTell,
                Some((n, _)) if *n < 320 => Agreement::CannotTell,
                Some(_) => Agreement::No,
            },
            certainty: "Valid for the steps that were taken: in a longer run the distance could still grow.",
        });
        claims
    }

    /// The claim that the form of the perturbation does not matter.
    fn forms_claim(&self, forms: &[&TrainedRun]) -> Option<Claim> {
        if forms.len() < 2 {
            return None;
        }
        let last: Vec<f64> = forms.iter().filter_map(|trained| last_distance(trained)).collect();
        let texts: Vec<String> = forms
            .iter()
            .zip(&last)
            .map(|(trained, end)| {
                format!(
                    "{}: {} after step 1, {} at the end",
                    trained.form().name(),
                    distance_at(trained, 1).map_or("-".to_owned(), about),
                    about(*end)
                )
            })
            .collect();
        let (low, high) = ends(last.iter().copied());
        // A form that is not visible yet and has more than doubled over the last quarter.
        let is_growing = forms.iter().any(|trained| {
            let distances = &trained.run.rel_l1[PERTURBED];
            let (end, before) = (distances.last(), distances.get(distances.len() * 3 / 4));
            end.zip(before).is_some_and(|(end, before)| *end < VISIBLE && *end > 2.0 * before)
        });
        Some(claim! {
            about: "How the bit is moved does not matter",
            paper: "The authors multiply by fl(1/k); Summers and Dinneen (2021) move one weight by one ulp. Both end in the same \
                divergence.",
            found: format!("{}.", texts.join("; ")),
            agrees: match low {
                low if low >= VISIBLE || high <= 10.0 * low => Agreement::Yes,
                _ if high < VISIBLE || is_growing => Agreement::CannotTell,
                _ => Agreement::No,
            },
            certainty: "One run of each form. They begin at different distances and need different times; once growth has ended \
                they must be close.",
        })
    }
}

/// The largest median of a curve.
fn growth_of(curve: &Curve) -> Option<f64> {
    let medians: Vec<(u64, f64)> = curve.points.iter().map(|point| (point.step, median(&point.values))).collect();
    (!medians.is_empty()).then(|| growth::largest(&medians))
}

/// The null controls of every run.
fn controls(main: &[&TrainedRun]) -> Claim {
    let (agrees, found) = judge_controls(main.iter().copied());
    claim! {
        about: "The controls stay at zero",
        paper: "Not in the paper. By the arithmetic k = 2 must not differ in a single bit.",
        found: found,
        agrees: agrees,
        certainty: "Sure: every weight and momentum is compared bit by bit on the adapter.",
    }
}

#[cfg(test)]
mod tests {
    use lastbit_core::nets::NetKind;
    use lastbit_core::ops::sgd::Perturbation;

    use super::*;
    use crate::reproduce::Flags as _;
    use crate::reproduce::run::Run;

    fn figure() -> Fig2 {
        Fig2 {
            ns: vec![2],
            net: NetKind::ResNet { depth: 8 },
            tensor: "conv1.weight".to_owned(),
            batch_size: 4,
            ..Fig2::read(None, true)
        }
    }

    /// A run whose k = 3 has these distances.
    fn trained(form: Perturbation, distances: Vec<f64>) -> TrainedRun {
        let config = figure().config(2, 1, form);
        let mut rel_l1 = vec![vec![0.0; distances.len()]; config.ks.len()];
        rel_l1[1] = distances;
        let predictions = vec![vec![0; 4]; config.ks.len()];
        TrainedRun::new(Run::made_up(config, rel_l1), predictions, 1)
    }

    #[test]
    fn a_first_step_that_moves_nothing_decides_nothing() {
        let verdict = |first: f64| figure().begins(&[&trained(Perturbation::Divide, vec![first])]).agrees;
        assert_eq!([1e-9, 0.0, 1e-3].map(verdict), [Agreement::Yes, Agreement::CannotTell, Agreement::No]);
    }

    #[test]
    fn what_stays_close_contradicts_after_the_published_steps() {
        let verdict = |end: f64, steps: usize| {
            figure().amplified(&[&trained(Perturbation::Divide, vec![end; steps])], "1 seed").agrees
        };
        assert_eq!(verdict(0.1, 20), Agreement::Yes);
        assert_eq!(verdict(1e-8, 199), Agreement::CannotTell);
        assert_eq!(verdict(1e-8, 200), Agreement::No);
    }

    #[test]
    fn a_form_that_is_still_growing_is_no_contradiction() {
        let verdict = |distances: Vec<f64>| {
            let forms = [trained(Perturbation::Divide, vec![0.3; 40]), trained(Perturbation::Nextafter, distances)];
            figure().forms_claim(&[&forms[0], &forms[1]]).map(|claim| claim.agrees)
        };
        assert_eq!(verdict(vec![0.2; 40]), Some(Agreement::Yes));
        let growing = (0..40).map(|step| 1e-9 * 1.3_f64.powi(step)).collect();
        assert_eq!(verdict(growing), Some(Agreement::CannotTell));
        assert_eq!(verdict(vec![1e-8; 40]), Some(Agreement::No));
    }
}

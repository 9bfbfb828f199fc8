//! Spread over k compared with spread over seeds at the largest rate: of the test accuracy at the end, and of the distance
//! from k = 1.

use super::curves::{Done, Runs};
use super::{Fig2, NS, PERTURBED, rate};
use crate::report::numbers::about;
use crate::reproduce::beside::{self, Beside, COLUMNS, Length};
use crate::reproduce::churn::mean_of_pairs;
use crate::reproduce::figure::{Axis, Figure};
use crate::reproduce::findings::{claim, table};
use crate::reproduce::growth::{VISIBLE, reaches};
use crate::reproduce::{Claim, Table, onset};
use crate::statistics::{Spread, mean, test_set_noise};

/// The spreads of a quantity, each with the seed or k at which it is taken.
pub struct Spreads {
    quantity: &'static str,
    over_k: Vec<(String, Spread)>,
    over_seeds: Vec<(String, Spread)>,
}

impl Spreads {
    fn beside(&self) -> Option<Beside> {
        let of = |spreads: &[(String, Spread)]| spreads.iter().map(|(_, spread)| *spread).collect::<Vec<_>>();
        Beside::of(&of(&self.over_k), &of(&self.over_seeds))
    }
}

impl Fig2 {
    /// Spreads of the accuracy, and of the logarithm of the distance.
    fn spreads(&self, runs: &Runs) -> [Spreads; 2] {
        [
            self.spread_of("test accuracy (%)", runs, 0, |done, replica| done.accuracy(replica)),
            self.spread_of("log10 relative L1", runs, PERTURBED, |done, replica| {
                done.run.rel_l1[replica].last().map_or(f64::NAN, |distance| distance.log10())
            }),
        ]
    }

    /// Spreads of a value of the replicas from `first` on. A value that is not finite removes its sample.
    fn spread_of(
        &self,
        quantity: &'static str,
        runs: &Runs,
        first: usize,
        value: impl Fn(&Done, usize) -> f64,
    ) -> Spreads {
        let over_k = runs.spread.iter().filter_map(|done| {
            let values: Vec<f64> = (first..done.perturbed()).map(|replica| value(done, replica)).collect();
            Some((format!("seed {}", done.run.config.seed), Spread::of(&values)?))
        });
        let over_seeds = (first..self.ks.len()).filter_map(|replica| {
            let with_it = runs.spread.iter().filter(|done| replica < done.perturbed());
            let values: Vec<f64> = with_it.map(|done| value(done, replica)).collect();
            Some((format!("k = {}", self.ks[replica]), Spread::of(&values)?))
        });
        Spreads { quantity, over_k: over_k.collect(), over_seeds: over_seeds.collect() }
    }

    /// The claim of Table 1, at the end of these short runs.
    pub(super) fn beside(&self, runs: &Runs) -> Option<Claim> {
        let [accuracy, distance] = self.spreads(runs);
        let accuracy = accuracy.beside()?;
        let has_parted =
            |done: &&Done| (1..done.perturbed()).all(|r| reaches(&onset::of_replica(&done.run, r), VISIBLE).is_some());
        let steps = runs.spread.first()?.run.steps.len();
        let length = Length::of(runs.spread.iter().all(has_parted), steps);
        let distance = distance.beside().map_or(String::new(), |distance| {
            format!(" Deviation of the distance's power of ten: {}.", distance.told("decades"))
        });
        let (images, accuracy_mean) = (runs.spread[0].images(), accuracy.over_k.mean);
        Some(claim! {
            about: "k compared with a seed",
            paper: "For whole trainings (Table 1): the standard deviation of the test accuracy over k is comparable to that over \
                random seeds.",
            found: format!(
                "Deviation of the test accuracy after step {steps} at lr {}: {}. Mean {accuracy_mean:.1} %.{distance} {}",
                rate(NS[0]),
                accuracy.told("points"),
                churn(&runs.spread)
            ),
            agrees: accuracy.agrees(length),
            certainty: format!(
                "{} A test set of {images} images alone makes a deviation of {:.2} points.",
                accuracy.certainty(length),
                test_set_noise(accuracy_mean, images)
            ),
        })
    }

    /// Each accuracy with the noise of the test set, and each spread.
    pub(super) fn spread_tables(&self, runs: &Runs) -> [Table; 2] {
        let replicas = runs.all().flat_map(|done| done.run.config.ks.iter().enumerate().map(move |of| (done, of)));
        let title = "Test accuracy at the end of each run";
        let accuracies = table!("fig2-accuracies", title, for (done, (replica, k)) in replicas => {
            let accuracy = done.accuracy(replica);
            "n" = done.n,
            "lr" as "learning rate" = done.lr(),
            "seed" = done.run.config.seed,
            "perturbation" = done.run.config.perturbation.name(),
            "k" = k,
            "test_accuracy" as "test accuracy, %" = accuracy,
            "test_set_noise" as "noise of the test set" = test_set_noise(accuracy, done.images()),
            "churn_percent" as "churn against k = 1, %" = done.churn(replica),
        })
        .note(
            "Noise: the standard deviation, in points, of the accuracy of one network over test sets of this size. Churn: share of \
             test images that the copy and k = 1 classify differently. k = 2, a null control, must have the accuracy of k = 1 and \
             no churn.",
        );
        let title = format!("Spread over k and spread over seeds, lr {}", rate(NS[0]));
        let spreads = self.spreads(runs);
        let samples = spreads.iter().flat_map(|spreads| {
            let each = [("k", &spreads.over_k), ("seeds", &spreads.over_seeds)];
            each.map(|(over, samples)| (spreads.quantity, over, samples))
        });
        let rows = samples.flat_map(|(quantity, over, samples)| {
            let all: Vec<Spread> = samples.iter().map(|(_, spread)| *spread).collect();
            let pooled = Spread::pooled(&all).map(|pooled| ("pooled".to_owned(), pooled));
            samples.iter().cloned().chain(pooled).map(move |(at, spread)| (quantity, over, at, spread))
        });
        let table = table!("fig2-spreads", title, for (quantity, over, at, spread) in rows => {
            "quantity" = quantity,
            "over" = over,
            "at" = at,
            ..COLUMNS => beside::cells(&spread),
        })
        .note(
            "At the last step. The distance is that of the copies from k = 1 over all convolutions, in powers of ten. The pooled \
             interval over seeds is too narrow, because its samples share their seeds.",
        );
        [accuracies, table]
    }

    /// The distances behind the spreads, step by step.
    pub(super) fn spread_figure(&self, runs: &Runs) -> Figure {
        let mut figure = Figure::new(
            "fig2-spread",
            format!("Other k and other seeds, lr {}", rate(NS[0])),
            Axis::linear("step"),
            Axis::log("relative L1 over all convolutions, at most 2"),
        );
        for (i, done) in runs.spread.iter().enumerate() {
            // All k of the first seed, but only one of each other seed.
            let last = if i == 0 { done.perturbed() } else { PERTURBED + 1 };
            for replica in PERTURBED..last {
                let points = onset::plotted(&onset::of_replica(&done.run, replica));
                let label = format!("k = {}, seed {}", self.ks[replica], done.run.config.seed);
                figure = figure.line(label, points);
            }
        }
        figure.caption(
            "Each line is the distance of a copy from k = 1 of the same seed. Where lines of one seed lie as far apart \
            as lines of different seeds, k acts at random, as a seed does.",
        )
    }
}

/// Share of test images that two k of one seed classify differently, and two seeds at k = 1 and 3.
fn churn(spread: &[&Done]) -> String {
    let over_k = mean(spread.iter().filter_map(|done| mean_of_pairs(&done.predictions[..done.perturbed()])));
    let at = |replica: usize| spread.iter().map(|done| &done.predictions[replica]).collect::<Vec<_>>();
    let over_seeds = mean((0..=PERTURBED).filter_map(|replica| mean_of_pairs(&at(replica))));
    match over_k.zip(over_seeds) {
        Some((k, seeds)) => format!(
            "Two k of one seed classify {} % of {} test images differently, two seeds {} %.",
            about(k),
            spread[0].images(),
            about(seeds)
        ),
        None => String::new(),
    }
}

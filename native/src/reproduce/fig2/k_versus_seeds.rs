//! Deviation over k compared with deviation over seeds at the largest rate: of the test accuracy at the end, and of the distance
//! from k = 1.

use super::curves::{Runs, n_of};
use super::{Fig2, PERTURBED, rate};
use crate::numbers::about;
use crate::plot::{Axis, Figure};
use crate::reproduce::findings::{claim, table, with_lines};
use crate::reproduce::k_versus_seeds::{self, COLUMNS, KVersusSeeds, Length};
use crate::reproduce::trained::{churn_over_k, churn_over_seeds};
use crate::reproduce::{Claim, Table, divergence};
use crate::statistics::test_set_noise;

/// Deviations of the accuracy, and of the logarithm of the distance from k = 1.
fn deviations(runs: &Runs) -> [(&'static str, KVersusSeeds); 2] {
    let accuracy = KVersusSeeds::of(&runs.of_seeds, 0, |run, replica| run.accuracy[replica]);
    let distance = KVersusSeeds::of(&runs.of_seeds, PERTURBED, |run, replica| {
        run.run.rel_l1[replica].last().map_or(f64::NAN, |distance| distance.log10())
    });
    [("test accuracy (%)", accuracy), ("log10 relative L1", distance)]
}

impl Fig2 {
    /// The claim of Table 1, at the end of these short runs.
    pub(super) fn k_versus_seeds(&self, runs: &Runs) -> Option<Claim> {
        let [(_, accuracy), (_, distance)] = deviations(runs);
        let accuracy = accuracy.pooled()?;
        let first = runs.of_seeds.first()?;
        let length = Length::of(&runs.of_seeds);
        let distance = distance.pooled().map_or(String::new(), |distance| {
            format!(" Deviation of the distance's power of ten: {}.", distance.text("decades"))
        });
        // Seeds that are not in --seeds have no k but these.
        let churn = churn_over_k(&runs.of_seeds).zip(churn_over_seeds(&runs.of_seeds, PERTURBED + 1));
        let churn = churn.map_or(String::new(), |(over_k, over_seeds)| {
            format!(
                "Two k of one seed classify {} % of {} test images differently, two seeds {} %.",
                about(over_k),
                first.images(),
                about(over_seeds)
            )
        });
        Some(claim! {
            about: "k compared with a seed",
            paper: "For whole trainings (Table 1): the standard deviation of the test accuracy over k is comparable to that over \
                random seeds.",
            found: format!(
                "Deviation of the test accuracy after step {} at lr {}: {}. Mean {:.1} %.{distance} {churn}",
                first.run.steps.len(),
                rate(self.smallest_n()),
                accuracy.text("points"),
                accuracy.over_k.mean
            ),
            agrees: accuracy.agrees(length),
            certainty: format!(
                "{} A test set of {} images alone makes a deviation of {:.2} points.",
                accuracy.certainty(length),
                first.images(),
                test_set_noise(accuracy.over_k.mean, first.images())
            ),
        })
    }

    /// Each accuracy with the noise of the test set, and each deviation.
    pub(super) fn accuracy_tables(&self, runs: &Runs) -> [Table; 2] {
        let replicas =
            runs.all().flat_map(|trained| trained.run.config.ks.iter().enumerate().map(move |copy| (trained, copy)));
        let title = "Test accuracy at the end of each run";
        let accuracies = table!("fig2-accuracies", title, for (trained, (replica, k)) in replicas => {
            let accuracy = trained.accuracy[replica];
            "n" = n_of(trained),
            "lr" as "learning rate" = trained.run.config.lr,
            "seed" = trained.seed(),
            "perturbation" = trained.form().name(),
            "k" = k,
            "test_accuracy" as "test accuracy, %" = accuracy,
            "test_set_noise" as "noise of the test set" = test_set_noise(accuracy, trained.images()),
            "churn_percent" as "churn against k = 1, %" = trained.churn(replica),
        })
        .note(
            "Noise: the standard deviation, in points, of the accuracy of one network over test sets of this size. Churn: share of \
             test images that the copy and k = 1 classify differently. k = 2, a null control, must have the accuracy of k = 1 and \
             no churn.",
        );
        let title = format!("Spread over k and spread over seeds, lr {}", rate(self.smallest_n()));
        let deviations = deviations(runs);
        let samples = deviations.iter().flat_map(|(quantity, KVersusSeeds { over_k, over_seeds })| {
            [("k", over_k), ("seeds", over_seeds)].map(|(over, samples)| (quantity, over, samples))
        });
        let rows = samples.flat_map(|(quantity, over, samples)| {
            let pooled = k_versus_seeds::pooled(samples).map(|pooled| ("pooled".to_owned(), pooled));
            samples.iter().cloned().chain(pooled).map(move |(at, deviation)| (quantity, over, at, deviation))
        });
        let table = table!("fig2-spreads", title, for (quantity, over, at, deviation) in rows => {
            "quantity" = quantity,
            "over" = over,
            "at" = at,
            ..COLUMNS => k_versus_seeds::cells(&deviation),
        })
        .note(
            "At the last step. The distance is that of the copies from k = 1 over all convolutions, in powers of ten. The pooled \
             interval over seeds is too narrow, because its samples share their seeds.",
        );
        [accuracies, table]
    }

    /// The distances behind the deviations, step by step.
    pub(super) fn seeds_figure(&self, runs: &Runs) -> Figure {
        let figure = Figure::new(
            "fig2-spread",
            format!("Other k and other seeds, lr {}", rate(self.smallest_n())),
            Axis::linear("step"),
            Axis::log("relative L1 over all convolutions, at most 2"),
        );
        let copies = runs.of_seeds.iter().enumerate().flat_map(|(i, trained)| {
            // All k of the first seed, but only one of each other seed.
            let last = if i == 0 { trained.compared() } else { PERTURBED + 1 };
            (PERTURBED..last).map(move |replica| (trained, replica))
        });
        let lines = copies.map(|(trained, replica)| {
            let label = format!("k = {}, seed {}", self.ks[replica], trained.seed());
            (label, divergence::plotted(&trained.distances(replica)))
        });
        with_lines(figure, lines).caption(
            "Each line is the distance of a copy from k = 1 of the same seed. Where lines of one seed lie as far apart \
            as lines of different seeds, k acts at random, as a seed does.",
        )
    }
}

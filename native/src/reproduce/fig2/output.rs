//! Tables and figures of the runs.

use lastbit_core::ops::sgd::Perturbation;

use super::curves::{Curve, Point, Runs, distance_at, last_distance, n_of};
use super::{Fig2, PERTURBED, rate};
use crate::plot::{Axis, Figure};
use crate::reproduce::findings::{table, with_lines};
use crate::reproduce::growth::{VISIBLE, exponential_phase};
use crate::reproduce::run::Run;
use crate::reproduce::{Table, divergence};
use crate::statistics::{ends, median};

impl Fig2 {
    /// The paper's figure, then those that the paper does not have.
    pub(super) fn figures(&self, runs: &Runs, curves: &[Curve]) -> Vec<Figure> {
        let Runs { main, forms, .. } = runs;
        let distance = Figure::new(
            "fig2",
            format!("k = 3 against k = 1: relative L1 of {}", self.tensor),
            Axis::linear("scaled iteration (step / n)"),
            Axis::log("relative L1, at most 2"),
        );
        let distance = curves.iter().fold(distance, |mut figure, curve| {
            if self.seeds.len() > 1 {
                let area = |point: &Point| {
                    let (low, high) = ends(point.values.iter().copied());
                    (point.scaled, low, high)
                };
                figure = figure.band("", curve.points.iter().map(area).collect());
            }
            figure.line(format!("lr {} (n = {})", rate(curve.n), curve.n), curve.medians())
        });
        let control = curves.iter().max_by(|a, b| end_of(a).total_cmp(&end_of(b)));
        let control = control.map(|curve| curve.points.iter().map(|point| (point.scaled, point.control)).collect());
        let many = if self.seeds.len() > 1 {
            " Lines are medians over the seeds, areas reach from the smallest to the largest."
        } else {
            ""
        };
        let distance = distance.control("control k = 2", control.unwrap_or_default()).caption(format!(
            "Both axes as published, except that the iteration is in units of n. Zero is on the rail below the \
                axis.{many}"
        ));

        let by_step = Figure::new(
            "fig2-steps",
            "The same copies over all convolutions, step by step",
            Axis::linear("step"),
            Axis::log("relative L1, at most 2"),
        );
        let lines = self.first_seed(main).into_iter();
        let lines = lines.map(|(label, run)| (label, divergence::plotted(&divergence::of_replica(run, PERTURBED))));
        let by_step = with_lines(by_step, lines).horizontal("1 %: visible", VISIBLE).caption(format!(
            "Seed {}. A straight line is exponential growth: the same factor at every step.",
            self.seeds[0]
        ));
        let mut figures = vec![distance, by_step, self.seeds_figure(runs)];
        figures.extend(divergence::figure("fig2-layers", &self.first_seed(main), PERTURBED));
        if forms.len() > 1 {
            let figure = Figure::new(
                "fig2-forms",
                format!("Three ways to move the last bit, lr {}", rate(self.smallest_n())),
                Axis::linear("step"),
                Axis::log("relative L1 over all convolutions"),
            );
            let figure = forms.iter().fold(figure, |figure, trained| {
                let (name, points) = (trained.form().name(), divergence::plotted(&trained.distances(PERTURBED)));
                // All other figures use `divide`, with which the other forms are compared.
                let is_main = trained.form() == Perturbation::Divide;
                if is_main { figure.reference(name, points) } else { figure.line(name, points) }
            });
            figures.push(figure.caption(
                "divide: the quotient d / k correctly rounded. reciprocal: d times fl(1/k), the authors' form. nextafter: one weight \
                 moved by one ulp before the first step.",
            ));
        }
        figures
    }

    /// Every number of the figures, and a row for every run.
    pub(super) fn tables(&self, runs: &Runs, curves: &[Curve]) -> Vec<Table> {
        let table = table!("fig2-runs", "Every run", for trained in runs.all() => {
            let points = trained.distances(PERTURBED);
            let growth = exponential_phase(&points);
            let [first, visible] = trained.onset(PERTURBED);
            let Run { config, most_differing, .. } = &trained.run;
            "n" = n_of(trained),
            "lr" as "learning rate" = config.lr,
            "seed" = config.seed,
            "perturbation" = config.perturbation.name(),
            "rel_l1_step_1" as "after step 1" = distance_at(trained, 1),
            "rel_l1_step_3" as "step 3" = distance_at(trained, 3),
            "rel_l1_step_10" as "step 10" = distance_at(trained, 10),
            "rel_l1_step_20" as "step 20" = distance_at(trained, 20),
            "rel_l1_step_50" as "step 50" = distance_at(trained, 50),
            "last_step" as "last step" = trained.run.steps.last().copied().unwrap_or_default(),
            "rel_l1_last" as "after the last step" = last_distance(trained).unwrap_or_default(),
            "growth_factor" as "growth a step" = growth.map(|g| g.factor),
            "growth_r2" as "R² of the fit" = growth.map(|g| g.r_squared),
            "steps_from_first_bit_to_1_percent" as "steps from first bit to 1 %" = visible.zip(first).map(|(to, from)| to - from),
            "controls_differ" as "controls differ" = config.controls().into_iter().map(|r| most_differing[r]).max(),
        })
        .note("Relative L1 of k = 3 to k = 1 over all convolutions. Controls differ: largest number of elements after a step; \
            empty if a run has no control.");
        let title = format!("Where and when divergence begins, seed {}", self.seeds[0]);
        let layers = divergence::table("fig2-layers", title, &self.first_seed(&runs.main), PERTURBED);
        let points = curves.iter().flat_map(|curve| curve.points.iter().map(move |point| (curve.n, point)));
        let points =
            points.flat_map(|(n, point)| self.seeds.iter().zip(&point.values).map(move |of_seed| (n, point, of_seed)));
        let title = "The curves of the figure, with every seed and the controls";
        let figure = table!("fig2", title, for (n, point, (seed, value)) in points => {
            "n" = n,
            "lr" = rate(n),
            "scaled_iteration" = point.scaled,
            "step" = point.step,
            "seed" = seed,
            "rel_l1" = value,
            "rel_l1_median" = median(&point.values),
            "control_largest" = point.control,
        });
        let lines =
            runs.all().flat_map(|trained| trained.run.steps.iter().enumerate().map(move |line| (trained, line)));
        let title = "Every step of every run, over all convolutions";
        let steps = table!("fig2-steps", title, for (trained, (line, step)) in lines => {
            let run = &trained.run;
            "n" = n_of(trained),
            "seed" = run.config.seed,
            "perturbation" = run.config.perturbation.name(),
            "step" = step,
            "loss_k1" = run.loss[0][line],
            "loss_k3" = run.loss[PERTURBED][line],
            "rel_l1" = run.rel_l1[PERTURBED][line],
        });
        let [accuracies, deviations] = self.accuracy_tables(runs);
        vec![table, deviations, accuracies, layers, figure.not_shown(), steps.not_shown()]
    }
}

fn end_of(curve: &Curve) -> f64 {
    curve.points.last().map_or(0.0, |point| point.scaled)
}

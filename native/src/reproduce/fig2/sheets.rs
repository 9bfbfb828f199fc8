//! Tables and figures of the runs.

use lastbit_core::ops::sgd::Perturbation;

use super::curves::{Curve, Done, Point, Runs};
use super::{Fig2, NS, PERTURBED, rate};
use crate::reproduce::figure::{Axis, Figure};
use crate::reproduce::growth::{VISIBLE, exponential_phase, first_bit, median, reaches};
use crate::reproduce::statistics::ends;
use crate::reproduce::{Cell, Table, onset};

impl Fig2 {
    /// The paper's figure, then those that the paper does not have.
    pub(super) fn figures(&self, runs: &Runs, curves: &[Curve]) -> Vec<Figure> {
        let Runs { main, forms, .. } = runs;
        let mut distance = Figure::new(
            "fig2",
            format!("k = 3 against k = 1: relative L1 of {}", self.tensor),
            Axis::linear("scaled iteration (step / n)"),
            Axis::log("relative L1, at most 2"),
        );
        for curve in curves {
            if self.seeds.len() > 1 {
                let area = |point: &Point| {
                    let (low, high) = ends(point.values.iter().copied());
                    (point.scaled, low, high)
                };
                distance = distance.band("", curve.points.iter().map(area).collect());
            }
            distance = distance.line(format!("lr {} (n = {})", rate(curve.n), curve.n), curve.medians());
        }
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

        let mut by_step = Figure::new(
            "fig2-steps",
            "The same copies over all convolutions, step by step",
            Axis::linear("step"),
            Axis::log("relative L1, at most 2"),
        );
        for n in self.ns() {
            let first = main.iter().find(|done| done.n == n);
            let points = first.map(|done| onset::plotted(&done.whole));
            by_step = by_step.line(format!("lr {}", rate(n)), points.unwrap_or_default());
        }
        let by_step = by_step.horizontal("1 %: visible", VISIBLE).caption(format!(
            "Seed {}. A straight line is exponential growth: the same factor at every step.",
            self.seeds[0]
        ));
        let mut figures = vec![distance, by_step, self.spread_figure(runs)];
        figures.extend(onset::figure("fig2-layers", &self.first_seed(main), PERTURBED));
        if forms.len() > 1 {
            let mut beside = Figure::new(
                "fig2-forms",
                format!("Three ways to move the last bit, lr {}", rate(NS[0])),
                Axis::linear("step"),
                Axis::log("relative L1 over all convolutions"),
            );
            for done in forms {
                let points = onset::plotted(&done.whole);
                let name = done.run.config.perturbation.name();
                // All other figures use `divide`, with which the other forms are compared.
                let is_main = done.run.config.perturbation == Perturbation::Divide;
                beside = if is_main { beside.reference(name, points) } else { beside.line(name, points) };
            }
            figures.push(beside.caption(
                "divide: the quotient d / k correctly rounded. reciprocal: d times fl(1/k), the authors' form. nextafter: one weight \
                 moved by one ulp before the first step.",
            ));
        }
        figures
    }

    /// Every number of the figures, and a row for every run.
    pub(super) fn tables(&self, runs: &Runs, curves: &[Curve]) -> Vec<Table> {
        let mut sheet = Table::new(
            "fig2-runs",
            "Every run",
            &[
                ("n", "n"),
                ("lr", "learning rate"),
                ("seed", "seed"),
                ("perturbation", "perturbation"),
                ("rel_l1_step_1", "after step 1"),
                ("rel_l1_step_3", "step 3"),
                ("rel_l1_step_10", "step 10"),
                ("rel_l1_step_20", "step 20"),
                ("rel_l1_step_50", "step 50"),
                ("last_step", "last step"),
                ("rel_l1_last", "after the last step"),
                ("growth_factor", "growth a step"),
                ("growth_r2", "R² of the fit"),
                ("steps_from_first_bit_to_1_percent", "steps from first bit to 1 %"),
                ("controls_differ", "controls differ"),
            ],
        )
        .note("Relative L1 of k = 3 to k = 1 over all convolutions. Controls differ: largest number of elements after a step; \
            empty if a run has no control.");
        runs.all().for_each(|done| sheet.row(run_cells(done)));
        let title = format!("Where and when divergence begins, seed {}", self.seeds[0]);
        let layers = onset::table("fig2-layers", title, &self.first_seed(&runs.main), PERTURBED);
        let mut figure = Table::data(
            "fig2",
            "The curves of the figure, with every seed and the controls",
            &["n", "lr", "scaled_iteration", "step", "seed", "rel_l1", "rel_l1_median", "control_largest"],
        );
        for curve in curves {
            for point in &curve.points {
                for (seed, value) in self.seeds.iter().zip(&point.values) {
                    figure.row([
                        curve.n.into(),
                        rate(curve.n).into(),
                        point.scaled.into(),
                        point.step.into(),
                        (*seed).into(),
                        (*value).into(),
                        median(&point.values).into(),
                        point.control.into(),
                    ]);
                }
            }
        }
        let mut steps = Table::data(
            "fig2-steps",
            "Every step of every run, over all convolutions",
            &["n", "seed", "perturbation", "step", "loss_k1", "loss_k3", "rel_l1"],
        );
        for done in runs.all() {
            for (line, (step, distance)) in done.whole.iter().enumerate() {
                steps.row([
                    done.n.into(),
                    done.run.config.seed.into(),
                    done.run.config.perturbation.name().into(),
                    (*step).into(),
                    done.run.loss[0][line].into(),
                    done.run.loss[PERTURBED][line].into(),
                    (*distance).into(),
                ]);
            }
        }
        let [accuracies, spreads] = self.spread_tables(runs);
        vec![sheet, spreads, accuracies, layers, figure, steps]
    }
}

fn run_cells(done: &Done) -> Vec<Cell> {
    let config = &done.run.config;
    let growth = exponential_phase(&done.whole);
    let steps = reaches(&done.whole, VISIBLE).zip(first_bit(&done.whole)).map(|(to, from)| to - from);
    let controls = config.controls();
    let most = controls.iter().map(|&replica| done.run.most_differing[replica]).max();
    let (step, last) = done.whole.last().copied().unwrap_or_default();
    vec![
        done.n.into(),
        done.lr().into(),
        config.seed.into(),
        config.perturbation.name().into(),
        done.at(1).into(),
        done.at(3).into(),
        done.at(10).into(),
        done.at(20).into(),
        done.at(50).into(),
        step.into(),
        last.into(),
        growth.map(|g| g.factor).into(),
        growth.map(|g| g.r_squared).into(),
        steps.into(),
        most.into(),
    ]
}

fn end_of(curve: &Curve) -> f64 {
    curve.points.last().map_or(0.0, |point| point.scaled)
}

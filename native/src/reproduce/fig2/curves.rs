//! What is read off the runs: the curves of the figure, at the iterations that the paper shows.

use super::{Fig2, LARGEST_LR, PERTURBED};
use crate::reproduce::churn::{Churn, disagreement};
use crate::reproduce::growth::median;
use crate::reproduce::onset;
use crate::reproduce::run::Run;

/// A finished run with what was read off it.
pub struct Done {
    /// Of the learning rate 0.1 / n.
    pub n: u64,
    /// Its columns.
    pub run: Run,
    /// `[replica - 1]` disagreement with the first replica at the end.
    pub churn: Vec<Churn>,
    /// Of the tensor that is followed: step and relative L1 at each layers line.
    pub tensor: Vec<(u64, f64)>,
    /// Over all convolutions: step and relative L1.
    pub whole: Vec<(u64, f64)>,
}

impl Done {
    /// Reads off what the figure follows.
    pub(super) fn new(run: Run, tensor: &str, predictions: &[Vec<u32>]) -> Self {
        let index = run.tensors.iter().position(|name| name == tensor).unwrap_or(0);
        Self {
            n: (LARGEST_LR / run.config.lr).round() as u64,
            tensor: onset::of_tensor(&run, PERTURBED, index),
            whole: onset::of_replica(&run, PERTURBED),
            churn: (1..predictions.len()).map(|r| disagreement(&predictions[0], &predictions[r])).collect(),
            run,
        }
    }

    /// Learning rate.
    pub(super) fn lr(&self) -> f64 {
        self.run.config.lr
    }

    /// Over all convolutions after a step that was taken.
    pub(super) fn at(&self, step: u64) -> Option<f64> {
        self.whole.iter().find(|(at, _)| *at == step).map(|(_, distance)| *distance)
    }
}

/// A curve of the figure: at each scaled iteration the distance of each seed and their median.
pub struct Curve {
    /// Of the learning rate 0.1 / n.
    pub n: u64,
    /// Rising.
    pub points: Vec<Point>,
}

/// A point of a curve.
pub struct Point {
    /// From 1.
    pub step: u64,
    /// Step / n.
    pub scaled: f64,
    /// `[seed]`
    pub values: Vec<f64>,
    /// Largest distance of any control of any seed.
    pub control: f64,
}

impl Curve {
    /// Scaled iteration and median.
    pub(super) fn medians(&self) -> Vec<(f64, f64)> {
        self.points.iter().map(|point| (point.scaled, median(&point.values))).collect()
    }

    /// The median at the last point that is not after `scaled`.
    pub(super) fn median_at(&self, scaled: f64) -> Option<f64> {
        self.points.iter().rev().find(|point| point.scaled <= scaled + 1e-9).map(|point| median(&point.values))
    }
}

impl Fig2 {
    /// The runs of the first seed by their rate.
    pub(super) fn first_seed<'a>(&self, main: &[&'a Done]) -> Vec<(String, &'a Run)> {
        let runs = main.iter().filter(|done| done.run.config.seed == self.seeds[0]);
        runs.map(|done| (format!("lr {}", done.lr()), &done.run)).collect()
    }

    /// As published: a point every n steps. With `--steps`, all steps.
    pub(super) fn curves(&self, main: &[&Done]) -> Vec<Curve> {
        let curve = |&n: &u64| {
            let of_n: Vec<&&Done> = main.iter().filter(|done| done.n == n).collect();
            let is_sampled = |step: &u64| self.steps.is_some() || step.is_multiple_of(n);
            let steps: Vec<u64> = of_n[0].run.layers.keys().copied().filter(is_sampled).collect();
            let value = |done: &Done, step: u64| {
                done.tensor.iter().find(|(at, _)| *at == step).map_or(f64::NAN, |(_, distance)| *distance)
            };
            let control = |step: u64| {
                let of_run = |done: &&&Done| {
                    let controls = done.run.config.controls();
                    let lines = done.run.layers.get(&step).cloned().unwrap_or_default();
                    controls.into_iter().flat_map(|r| lines[r].clone()).fold(0.0, f64::max)
                };
                of_n.iter().map(of_run).fold(0.0, f64::max)
            };
            let point = |step: u64| Point {
                step,
                scaled: step as f64 / n as f64,
                values: of_n.iter().map(|done| value(done, step)).collect(),
                control: control(step),
            };
            Curve { n, points: steps.into_iter().map(point).collect() }
        };
        self.ns.iter().map(curve).collect()
    }
}

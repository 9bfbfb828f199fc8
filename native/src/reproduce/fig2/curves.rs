//! The curves of the figure, read off the runs at the iterations that the paper shows.

use lastbit_core::ops::sgd::Perturbation;

use super::{Fig2, LARGEST_LR, PERTURBED};
use crate::reproduce::churn::disagreement;
use crate::reproduce::onset;
use crate::reproduce::run::Run;
use crate::statistics::median;

/// A finished run with what the figure needs of it.
pub struct Done {
    /// n of the learning rate 0.1 / n.
    pub n: u64,
    /// The run.
    pub run: Run,
    /// `[replica][image]`: predicted class at the end.
    pub predictions: Vec<Vec<u32>>,
    /// Step and relative L1 of k = 3 in the followed tensor, at each `layers` line.
    pub tensor: Vec<(u64, f64)>,
    /// Step and relative L1 of k = 3 over all convolutions.
    pub whole: Vec<(u64, f64)>,
}

impl Done {
    /// Reads off the curves of a run; `tensor` is the name of the followed tensor.
    pub(super) fn new(run: Run, tensor: &str, predictions: Vec<Vec<u32>>) -> Self {
        let index = run.tensors.iter().position(|name| name == tensor).unwrap_or(0);
        Self {
            n: (LARGEST_LR / run.config.lr).round() as u64,
            tensor: onset::of_tensor(&run, PERTURBED, index),
            whole: onset::of_replica(&run, PERTURBED),
            predictions,
            run,
        }
    }

    /// Learning rate.
    pub(super) fn lr(&self) -> f64 {
        self.run.config.lr
    }

    /// Number of replicas without the controls.
    pub(super) fn perturbed(&self) -> usize {
        self.run.config.ks.len() - self.run.config.controls().len()
    }

    /// Test accuracy in percent at the end.
    pub(super) fn accuracy(&self, replica: usize) -> f64 {
        self.run.accuracy.last().map_or(f64::NAN, |(_, accuracy)| accuracy[replica])
    }

    /// Test images that a replica classifies differently from the first, in percent.
    pub(super) fn churn(&self, replica: usize) -> f64 {
        disagreement(&self.predictions[0], &self.predictions[replica]).percent()
    }

    /// Number of test images.
    pub(super) fn images(&self) -> usize {
        self.predictions[0].len()
    }

    /// Relative L1 of k = 3 over all convolutions after `step`; `None` if the run has no such step.
    pub(super) fn at(&self, step: u64) -> Option<f64> {
        self.whole.iter().find(|(at, _)| *at == step).map(|(_, distance)| *distance)
    }
}

/// All runs by their purpose; some serve several purposes.
pub struct Runs<'a> {
    /// Runs of the figure: every rate at every seed.
    pub main: Vec<&'a Done>,
    /// Runs with each form of the perturbation, at the largest rate and the first seed.
    pub forms: Vec<&'a Done>,
    /// Runs of the spread: every one of its seeds, at the largest rate.
    pub spread: Vec<&'a Done>,
}

impl<'a> Runs<'a> {
    /// Sorts the runs of a figure.
    pub(super) fn of(figure: &Fig2, done: &'a [Done]) -> Self {
        let divided = |done: &&Done| done.run.config.perturbation == Perturbation::Divide;
        let main: Vec<&Done> =
            done.iter().filter(divided).filter(|done| figure.seeds.contains(&done.run.config.seed)).collect();
        let others = done.iter().filter(|done| !divided(done));
        let of_seed = |seed: &u64| done.iter().filter(divided).find(|done| done.run.config.seed == *seed);
        Self {
            forms: main.iter().copied().take(1).chain(others).collect(),
            // The largest rate of each seed comes first.
            spread: figure.spread_seeds.iter().filter_map(of_seed).collect(),
            main,
        }
    }

    /// All runs, each once.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a Done> {
        let further = self.spread.iter().filter(|done| !self.main.iter().any(|main| main.run.name == done.run.name));
        self.main.iter().chain(self.forms.iter().skip(1)).chain(further).copied()
    }
}

/// A curve of the figure: at each scaled iteration the distance of each seed and their median.
pub struct Curve {
    /// n of the learning rate 0.1 / n.
    pub n: u64,
    /// Points in the order of their steps.
    pub points: Vec<Point>,
}

/// A point of a curve.
pub struct Point {
    /// Step, counted from 1.
    pub step: u64,
    /// Scaled iteration, step / n.
    pub scaled: f64,
    /// `[seed]`: relative L1 of k = 3.
    pub values: Vec<f64>,
    /// Largest distance of any control of any seed.
    pub control: f64,
}

impl Curve {
    /// Scaled iteration and median of each point.
    pub(super) fn medians(&self) -> Vec<(f64, f64)> {
        self.points.iter().map(|point| (point.scaled, median(&point.values))).collect()
    }

    /// The median at the last point that is not after `scaled`.
    pub(super) fn median_at(&self, scaled: f64) -> Option<f64> {
        self.points.iter().rev().find(|point| point.scaled <= scaled + 1e-9).map(|point| median(&point.values))
    }
}

impl Fig2 {
    /// The runs of the first seed, with their rate as a label.
    pub(super) fn first_seed<'a>(&self, main: &[&'a Done]) -> Vec<(String, &'a Run)> {
        let runs = main.iter().filter(|done| done.run.config.seed == self.seeds[0]);
        runs.map(|done| (format!("lr {}", done.lr()), &done.run)).collect()
    }

    /// The curves of the figure: a point every n steps, as published. With `--steps`, a point every step.
    pub(super) fn curves(&self, main: &[&Done]) -> Vec<Curve> {
        let curve = |n: u64| {
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
        self.ns().into_iter().map(curve).collect()
    }
}

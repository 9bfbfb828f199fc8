//! The curves of the figure, read off the runs at the iterations that the paper shows.

use lastbit_core::ops::sgd::Perturbation;

use super::{Fig2, LARGEST_LR, PERTURBED};
use crate::reproduce::divergence;
use crate::reproduce::run::Run;
use crate::reproduce::trained::TrainedRun;
use crate::statistics::median;

/// n of the learning rate 0.1 / n of a run.
pub fn n_of(trained: &TrainedRun) -> u64 {
    (LARGEST_LR / trained.run.config.lr).round() as u64
}

/// Relative L1 of k = 3 over all convolutions after `step`; `None` if the run has no such step.
pub fn distance_at(trained: &TrainedRun, step: u64) -> Option<f64> {
    trained.run.steps.iter().position(|at| *at == step).map(|line| trained.run.rel_l1[PERTURBED][line])
}

/// Relative L1 of k = 3 over all convolutions after the last step.
pub fn last_distance(trained: &TrainedRun) -> Option<f64> {
    trained.run.rel_l1[PERTURBED].last().copied()
}

/// All runs by their purpose; some serve several purposes.
pub struct Runs<'a> {
    /// Runs of the figure: every rate at every seed.
    pub main: Vec<&'a TrainedRun>,
    /// Runs with each form of the perturbation, at the largest rate and the first seed.
    pub forms: Vec<&'a TrainedRun>,
    /// Runs of `--spread-seeds`, at the largest rate.
    pub of_seeds: Vec<&'a TrainedRun>,
}

impl<'a> Runs<'a> {
    /// All runs, each once.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a TrainedRun> {
        let is_further = |run: &&&TrainedRun| !self.main.iter().any(|main| main.run.name == run.run.name);
        self.main.iter().chain(self.forms.iter().skip(1)).chain(self.of_seeds.iter().filter(is_further)).copied()
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
    /// `[seed]`: relative L1 of k = 3 in the followed tensor.
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
    /// Sorts the runs by their purpose.
    pub(super) fn sort<'a>(&self, runs: &'a [TrainedRun]) -> Runs<'a> {
        let (divided, others): (Vec<_>, Vec<_>) = runs.iter().partition(|run| run.form() == Perturbation::Divide);
        let main: Vec<_> = divided.iter().copied().filter(|run| self.seeds.contains(&run.seed())).collect();
        // The largest rate of each seed comes first.
        let of_seed = |seed: &u64| divided.iter().copied().find(|run| run.seed() == *seed);
        Runs {
            forms: main.iter().copied().take(1).chain(others).collect(),
            of_seeds: self.spread_seeds.iter().filter_map(of_seed).collect(),
            main,
        }
    }

    /// The runs of the first seed, with their rate as a label.
    pub(super) fn first_seed<'a>(&self, main: &[&'a TrainedRun]) -> Vec<(String, &'a Run)> {
        let runs = main.iter().filter(|trained| trained.seed() == self.seeds[0]);
        runs.map(|trained| (format!("lr {}", trained.run.config.lr), &trained.run)).collect()
    }

    /// The curves of the figure: a point every n steps, as published. With `--steps`, a point every step.
    pub(super) fn curves(&self, main: &[&TrainedRun]) -> Vec<Curve> {
        let curve = |n: u64| {
            let of_n: Vec<&Run> =
                main.iter().filter(|trained| n_of(trained) == n).map(|trained| &trained.run).collect();
            let tensor = of_n[0].tensors.iter().position(|name| *name == self.tensor).unwrap_or(0);
            let distances: Vec<_> = of_n.iter().map(|run| divergence::of_tensor(run, PERTURBED, tensor)).collect();
            let value = |points: &Vec<(u64, f64)>, step: u64| {
                points.iter().find(|(at, _)| *at == step).map_or(f64::NAN, |(_, distance)| *distance)
            };
            let control = |run: &&Run, step: u64| {
                let lines = run.layers.get(&step).cloned().unwrap_or_default();
                run.config.controls().into_iter().flat_map(|r| lines[r].clone()).fold(0.0, f64::max)
            };
            let point = |step: u64| Point {
                step,
                scaled: step as f64 / n as f64,
                values: distances.iter().map(|points| value(points, step)).collect(),
                control: of_n.iter().map(|run| control(run, step)).fold(0.0, f64::max),
            };
            let is_sampled = |step: &u64| self.steps.is_some() || step.is_multiple_of(n);
            Curve { n, points: of_n[0].layers.keys().copied().filter(is_sampled).map(point).collect() }
        };
        self.ns.iter().map(|&n| curve(n)).collect()
    }
}

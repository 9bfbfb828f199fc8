//! The largest learning rate at which k = 3 stays close to k = 1: a grid of rates over decades, then bisection of the
//! logarithm between the last rate that stays and the first that leaves. All rates have the same scaled time, rate x steps.

mod output;
mod verdict;

use lastbit_core::nets::NetKind;
use lastbit_core::ops::Activation;
use lastbit_core::train::{DatasetKind, TrainConfig};

use super::checks::has_duplicates;
use super::flags::flags;
use super::run::{Run, constant_rate};
use super::{Agreement, Experiment, Findings, Forecast, Further, Study, divergence};
use crate::failure::Failure;
use crate::numbers::count;
use crate::statistics::median;

/// The pair that is compared, and a null control.
const KS: [u32; 3] = [1, 3, 2];
/// Index of the perturbed replica in [`KS`].
const PERTURBED: usize = 1;
/// Number of rates of the first pass, both ends included.
const GRID: u32 = 5;
/// Steps of the longest run that is accepted.
const MOST_STEPS: f64 = 1e7;

flags! {
    /// The largest learning rate at which k = 3 stays close to k = 1
    #[name = "threshold"]
    #[example = "lastbit reproduce threshold --net vgg16 --dataset fashion-mnist --out runs/threshold"]
    pub struct Threshold {
        /// Network
        net: NetKind = NetKind::ResNet { depth: 56 }, quick = NetKind::ResNet { depth: 8 };
        /// Nonlinearity: relu, swish (beta 5), swish:BETA or tanh
        activation: Activation = Activation::Swish { beta: 5.0 };
        /// Images: cifar10, fashion-mnist, folder or synthetic
        dataset: DatasetKind = DatasetKind::Cifar10;
        /// Samples in a batch
        batch_size: u32 = 128, quick = 32;
        /// Momentum coefficient
        momentum: f64 = 0.0;
        /// Seeds; a rate is judged by the median
        seeds: Vec<u64> = vec![1, 2, 3], quick = vec![1];
        /// Largest relative L1, over all convolutions, that still counts as close
        distance: f64 = 0.001;
        /// Learning rate times steps of each run
        scaled_time: f64 = 10.0, quick = 16.0;
        /// Smallest rate
        lr_min: f64 = 0.001, quick = 0.05;
        /// Largest rate
        lr_max: f64 = 0.2, quick = 0.8;
        /// Bisect until the two ends are at most this factor apart
        precision: f64 = 1.1, quick = 1.25;
        /// Evaluate on the first N test images only
        test_limit: Option<usize> = None, quick = Some(256);
    }
}

impl Threshold {
    fn config(&self, lr: f64, seed: u64) -> TrainConfig {
        TrainConfig {
            net: self.net,
            activation: Some(self.activation),
            dataset: self.dataset,
            ks: KS.to_vec(),
            seed,
            batch_size: self.batch_size,
            lr,
            momentum: self.momentum,
            epochs: u32::MAX,
            steps: Some((self.scaled_time / lr).round().max(1.0) as u64),
            test_limit: self.test_limit,
            ..constant_rate()
        }
    }

    /// The first pass: equal ratios from the smallest to the largest rate.
    fn grid(&self) -> Vec<f64> {
        let ratio = self.lr_max / self.lr_min;
        (0..GRID).map(|i| tidy(self.lr_min * ratio.powf(f64::from(i) / f64::from(GRID - 1)))).collect()
    }

    /// Number of rates that bisection adds between two neighbours of the grid.
    fn bisections(&self) -> u32 {
        let ratio = (self.lr_max / self.lr_min).ln() / f64::from(GRID - 1);
        (ratio / self.precision.ln()).log2().ceil().max(0.0) as u32
    }

    fn runs(&self, lr: f64) -> Vec<(String, TrainConfig)> {
        self.seeds.iter().map(|&seed| (format!("lr{lr}-seed{seed}"), self.config(lr, seed))).collect()
    }

    fn grid_runs(&self) -> Vec<(String, TrainConfig)> {
        self.grid().into_iter().flat_map(|lr| self.runs(lr)).collect()
    }

    fn probe(&self, study: &mut Study, lr: f64) -> Result<Probe, Failure> {
        study.train_parallel(&self.runs(lr))?;
        let mut probe = Probe { lr, steps: 0, distances: Vec::new(), controls: Vec::new(), curve: Vec::new() };
        for (name, config) in self.runs(lr) {
            let run: Run = study.train(&name, &config)?;
            let points = divergence::of_replica(&run, PERTURBED);
            // If numbers are not finite, k = 3 counts as having left.
            let is_sound = points.iter().all(|(_, distance)| distance.is_finite());
            let last: Vec<f64> = points[points.len() - points.len().div_ceil(10)..].iter().map(|(_, d)| *d).collect();
            probe.distances.push(if is_sound && !last.is_empty() { median(&last) } else { f64::INFINITY });
            probe.controls.push(run.are_controls_zero);
            probe.steps = points.len() as u64;
            if probe.curve.is_empty() {
                probe.curve = points.iter().map(|(step, distance)| (*step as f64 * lr, *distance)).collect();
            }
        }
        Ok(probe)
    }
}

/// Rounds to four significant digits, so that names of folders are short.
fn tidy(lr: f64) -> f64 {
    format!("{lr:.3e}").parse().unwrap_or(lr)
}

/// A rate that was tried.
struct Probe {
    lr: f64,
    steps: u64,
    /// `[seed]`: distance at the end, the median of the last tenth of the steps. Infinite if a number was not finite.
    distances: Vec<f64>,
    /// `[seed]`: whether the control stayed at zero.
    controls: Vec<Agreement>,
    /// Scaled time and distance of the first seed, step by step.
    curve: Vec<(f64, f64)>,
}

impl Probe {
    fn median(&self) -> f64 {
        median(&self.distances)
    }
}

impl Experiment for Threshold {
    fn title(&self) -> String {
        format!(
            "The largest learning rate without divergence: {} with {} on {}",
            self.net, self.activation, self.dataset
        )
    }

    fn check(&self) -> Result<(), Failure> {
        let refuse = |text: String| Err(Failure::usage(text));
        if self.seeds.is_empty() {
            return refuse("--seeds: give at least one".to_owned());
        }
        if has_duplicates(&self.seeds) {
            return refuse("--seeds: give each value once".to_owned());
        }
        for (flag, value) in [
            ("--distance", self.distance),
            ("--scaled-time", self.scaled_time),
            ("--lr-min", self.lr_min),
            ("--lr-max", self.lr_max),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return refuse(format!("{flag}: must be a positive number, not {value}"));
            }
        }
        if self.lr_max <= self.lr_min {
            return refuse(format!("--lr-max: must be above --lr-min ({}), not {}", self.lr_min, self.lr_max));
        }
        if !(self.precision.is_finite() && self.precision > 1.0) {
            return refuse(format!("--precision: must be a factor above 1, not {}", self.precision));
        }
        if self.distance >= 2.0 {
            return refuse(format!("--distance: must be below 2, the largest relative L1, not {}", self.distance));
        }
        if self.scaled_time / self.lr_min > MOST_STEPS || self.scaled_time < self.lr_max {
            return refuse(format!(
                "--scaled-time: {} gives less than one step at --lr-max {} or more than {MOST_STEPS} at --lr-min {}",
                self.scaled_time, self.lr_max, self.lr_min
            ));
        }
        Ok(self.config(self.lr_max, self.seeds[0]).validate()?)
    }

    /// Runs of the bisection are counted as if their rates lay in the middle of the grid.
    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        let mut runs = self.grid_runs();
        let middle = (self.lr_min * self.lr_max).sqrt();
        for i in 0..self.bisections() {
            let more = self.seeds.iter().map(|&seed| (format!("bisection{i}-seed{seed}"), self.config(middle, seed)));
            runs.extend(more);
        }
        study.forecast_runs(&runs, Further::default())
    }

    /// The runs of the grid. The bisection depends on them.
    fn independent_runs(&self) -> Vec<(String, TrainConfig)> {
        self.grid_runs()
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        let mut probes = Vec::new();
        for lr in self.grid() {
            probes.push(self.probe(study, lr)?);
        }
        for _ in 0..self.bisections() {
            let Some((below, above)) = bracket(&probes, self.distance) else { break };
            let middle = tidy((below * above).sqrt());
            if above / below <= self.precision || middle <= below || middle >= above {
                break;
            }
            study.print(format!("between {below} and {above}"));
            probes.push(self.probe(study, middle)?);
            probes.sort_by(|a, b| a.lr.total_cmp(&b.lr));
        }
        Ok(Findings {
            claims: self.claims(&probes),
            figures: self.figures(&probes),
            tables: self.tables(&probes),
            methods: self.methods(),
        })
    }
}

/// The largest rate up to which all rates stay within the distance, and the next one, which does not.
fn bracket(probes: &[Probe], distance: f64) -> Option<(f64, f64)> {
    let first = probes.iter().position(|probe| probe.median() > distance)?;
    Some((probes.get(first.checked_sub(1)?)?.lr, probes[first].lr))
}

impl Threshold {
    fn methods(&self) -> Vec<String> {
        vec![
            format!(
                "{} with {} on {}, batch {}, SGD with momentum {}, weight decay 5e-4, constant learning rate. Every rate trains \
                 until rate x steps is {}. k = 3 stays close to k = 1 if its relative L1 over all convolutions is at most {}, in \
                 the median over the last tenth of the steps and over {}. If numbers stop being finite, it counts as leaving.",
                self.net,
                self.activation,
                self.dataset,
                self.batch_size,
                self.momentum,
                self.scaled_time,
                self.distance,
                count(self.seeds.len() as u64, "seed")
            ),
            format!(
                "{GRID} rates at equal ratios from {} to {}, then bisection of the logarithm between the last rate at which k = 3 \
                 stays and the first at which it leaves, until they are at most a factor of {} apart.",
                self.lr_min, self.lr_max, self.precision
            ),
        ]
    }
}

#[cfg(test)]
mod tests;

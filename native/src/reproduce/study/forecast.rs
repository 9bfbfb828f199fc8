//! Forecast of the remaining work: time, memory and files.

use std::collections::HashMap;
use std::path::Path;

use lastbit_core::device::human_bytes;
use lastbit_core::train::{Estimate, Plan, TrainConfig, estimate, measurement_seconds, memory_estimate};
use pollster::block_on;

use super::Study;
use crate::datasets;
use crate::failure::Failure;
use crate::forecast::duration_text;
use crate::run::{TIMING_FILE, finished_step};
use crate::statistics::median;

/// Cost of the remaining work.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forecast {
    /// Time in seconds.
    pub seconds: f64,
    /// Largest memory at a time in bytes, with the adapter's buffers counted as memory of the host.
    pub memory_bytes: u64,
    /// Bytes of the files that stay.
    pub disk_bytes: u64,
    /// Number of pieces and runs that are left, for the line at the beginning of each; 0 if unknown.
    pub pieces: usize,
}

impl Forecast {
    /// The cost of this work followed by the other.
    pub fn and(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            memory_bytes: self.memory_bytes.max(other.memory_bytes),
            disk_bytes: self.disk_bytes + other.disk_bytes,
            pieces: self.pieces + other.pieces,
        }
    }

    /// `about 12 min in 7 pieces, 1.2 GiB of memory, 30.1 MiB of files`.
    pub fn text(&self) -> String {
        let mut text = format!("about {}", duration_text(self.seconds));
        if self.pieces > 0 {
            text += &format!(" in {} piece{}", self.pieces, if self.pieces == 1 { "" } else { "s" });
        }
        for (bytes, of) in [(self.memory_bytes, "memory"), (self.disk_bytes, "files")] {
            if bytes > 0 {
                text += &format!(", {} of {of}", human_bytes(bytes));
            }
        }
        text
    }
}

/// What follows each run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Further {
    /// Its cost, in evaluations of all replicas on the test images.
    pub evaluations: f64,
    /// Number of pieces.
    pub pieces: usize,
}

impl Further {
    /// Predictions or outputs on the test images.
    pub const OUTPUTS: Self = Self { evaluations: 1.0, pieces: 1 };
}

impl Study {
    /// Cost of the unfinished ones of these pieces, each a name and its seconds.
    pub fn forecast_pieces<N: AsRef<str>>(&self, pieces: impl IntoIterator<Item = (N, f64)>) -> Forecast {
        /// For reading, drawing and writing.
        const OTHERS: f64 = 0.5;
        let left = pieces.into_iter().filter(|(name, _)| !self.is_done(name.as_ref()));
        let forecast = Forecast { seconds: OTHERS, ..Forecast::default() };
        left.fold(forecast, |sum, (_, seconds)| sum.and(Forecast { seconds, pieces: 1, ..Forecast::default() }))
    }

    /// Cost of the unfinished runs, each followed by this further work. Steps of equal networks and
    /// batches take equally long: they are timed once, unless a stopped run has recorded their time.
    pub fn forecast_runs(&self, runs: &[(String, TrainConfig)], further: Further) -> Result<Forecast, Failure> {
        let mut known: HashMap<String, Estimate> = HashMap::new();
        let mut total = Forecast::default();
        for (name, config) in runs {
            if let Some(measured) = self.folder.as_ref().and_then(|folder| measured(&folder.run(name), config)) {
                known.insert(kind(config), measured);
            }
        }
        let is_finished = |(name, config): &&(String, TrainConfig)| {
            self.folder.as_ref().is_some_and(|folder| finished_step(&folder.run(name), config).is_some())
        };
        let left: Vec<_> = runs.iter().filter(|run| !is_finished(run)).collect();
        // Report missing images before the first step is timed.
        for (_, config) in &left {
            config.validate()?;
            datasets::find(config.dataset, self.host.data_dir.as_deref())?;
        }
        for (_, config) in left {
            let prepared = self.prepared(config)?;
            let measured = match known.get(&kind(config)) {
                Some(measured) => *measured,
                None => {
                    prepared.images.wait();
                    let measured = block_on(estimate(&self.context, config, &prepared.images.dataset))?;
                    known.insert(kind(config), measured);
                    measured
                }
            };
            let images = prepared.images.dataset.train.len();
            let images = config.train_limit.map_or(images, |n| n.min(images));
            let length = config.length(images);
            let parameters = prepared.plan.network.parameter_count();
            let measurement = measurement_seconds(config, parameters, images, measured.step);
            let evaluations = length.evaluations as f64 + further.evaluations;
            let memory = memory_estimate(&self.context, config, &prepared.plan, &prepared.images.dataset);
            total = total.and(Forecast {
                seconds: measured.step * length.steps as f64
                    + measured.evaluation * evaluations
                    + measurement * length.measurements as f64,
                memory_bytes: memory.total() * self.at_a_time(),
                disk_bytes: run_bytes(config, &prepared.plan, length.steps),
                pieces: 1 + further.pieces,
            });
        }
        Ok(total)
    }
}

/// What the time of a step depends on, as a key.
fn kind(config: &TrainConfig) -> String {
    let TrainConfig { net, width, dataset, batch_size, ks, test_limit, .. } = config;
    format!("{net} {width} {} {dataset} {batch_size} {} {test_limit:?}", config.activation(), ks.len())
}

/// Estimate from the median of the last steps of a run that was begun; `None` for fewer than three steps. A forward pass
/// takes about a third of a step.
fn measured(run: &Path, config: &TrainConfig) -> Option<Estimate> {
    const STEPS: usize = 30;
    const FORWARD: f64 = 1.0 / 3.0;
    let text = std::fs::read_to_string(run.join(TIMING_FILE)).ok()?;
    let read = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok()?["seconds"].as_f64();
    let seconds: Vec<f64> = text.lines().rev().take(STEPS).filter_map(read).collect();
    if seconds.len() < 3 {
        return None;
    }
    let step = median(&seconds);
    let images = config.test_limit.unwrap_or(10_000) as f64;
    let evaluation = step * FORWARD * images / f64::from(config.batch_size);
    Some(Estimate { step, evaluation, steps: 0, evaluations: 0, measurement: 0.0, measurements: 0 })
}

/// Bytes of the files of a run: two checkpoints of every replica, the initial weights, and lines of metrics.
fn run_bytes(config: &TrainConfig, plan: &Plan, steps: u64) -> u64 {
    const STEP_LINE: u64 = 120;
    const REPLICA: u64 = 60;
    const TENSOR: u64 = 45;
    let (replicas, parameters) = (config.ks.len() as u64, plan.network.parameter_count());
    let tensors = plan.network.parameters.iter().filter(|p| p.measured).count() as u64;
    let layers = config.log_every.map_or(100, |every| steps / every.max(1)) * replicas * (100 + tensors * TENSOR);
    (4 * replicas + 1) * parameters * 4 + steps * (STEP_LINE + replicas * REPLICA) + layers
}

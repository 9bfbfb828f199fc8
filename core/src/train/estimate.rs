//! Estimates what a run takes: memory from the plan, time from a few steps of the same network.

use std::rc::Rc;
use std::sync::Arc;

use web_time::Instant;

use super::batch::{Batches, EVALUATION_BATCH};
use super::config::{SHARPNESS_IMAGES, TrainConfig};
use super::curvature::{Measurement, SHARPNESS_BATCHES, STEPS};
use super::error::TrainError;
use super::plan::{MemoryLimits, Plan, RecordingKind, Tuning};
use super::probe::Probe;
use super::trainer::{Start, Trainer, plan};
use crate::data::Dataset;
use crate::device::{Context, Submitter};

/// Estimated time of a run.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// Seconds of a training step of all replicas, including metrics.
    pub step: f64,
    /// Seconds of an evaluation of all replicas on the whole test set.
    pub evaluation: f64,
    /// Number of training steps.
    pub steps: u64,
    /// Number of evaluations.
    pub evaluations: u64,
    /// Seconds of a measurement of the curvature.
    pub measurement: f64,
    /// Number of measurements of the curvature.
    pub measurements: u64,
}

impl Estimate {
    /// Seconds from the first step to the last evaluation.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        let measurements = self.measurement * self.measurements as f64;
        self.step * self.steps as f64 + self.evaluation * self.evaluations as f64 + measurements
    }
}

/// Memory that a run takes, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct MemoryEstimate {
    /// Buffers on the adapter.
    pub buffers: u64,
    /// Images and labels on the host, and one copy of the state for a checkpoint.
    pub host: u64,
    /// Machine code of the kernels, where the host holds it: software GPUs compile with LLVM in this process.
    pub kernels: u64,
}

impl MemoryEstimate {
    /// Growth of this process on adapters whose buffers are its memory.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.buffers + self.host + self.kernels
    }
}

/// Most work of a probe, in submits. A submit is what the adapter is assumed to do in 100 ms; real adapters are several times
/// as fast.
const PROBE_SUBMITS: u64 = 50;

/// Memory that a run of `config` with `plan` takes.
#[must_use]
pub fn memory(context: &Context, config: &TrainConfig, plan: &Plan, dataset: &Dataset) -> MemoryEstimate {
    let kernels = match context.adapter().kernel_bytes() {
        0 => 0,
        bytes => bytes * plan.kernels().len() as u64,
    };
    let images = [&dataset.train, &dataset.test].map(|set| set.pixels.len() + set.labels.len()).iter().sum::<usize>();
    let replicas = plan.chunks.iter().map(|chunk| chunk.replicas.len() as u64).sum::<u64>();
    let state = replicas * 4 * u64::from(2 * plan.network.parameter_stride + plan.network.running_stride);
    let no_limits = MemoryLimits { binding: u64::MAX, total: None };
    let probe =
        config.needs_probe().then(|| Probe::plan(config, dataset, &Tuning::default(), Measurement::PROBE, no_limits));
    let probe = probe.and_then(Result::ok).map_or(0, |plan| plan.table().total_bytes());
    MemoryEstimate {
        buffers: plan.table().total_bytes() + probe,
        // Twice the state: its tensors, and the arenas that they are read from or the files that they are written to.
        host: images as u64 + 2 * state,
        kernels,
    }
}

/// Products with the Hessian that a measurement of the curvature usually takes.
const USUAL_PRODUCTS: u64 = 10;
/// Seconds a parameter that the host needs for a gradient of a measurement: points and gradients are copied, and products summed in
/// float64 (measured on a server processor).
const HOST_SECONDS: f64 = 1e-8;

/// Seconds of a measurement of the curvature in a run of a network with `parameters` on `images` training images whose steps take `step`
/// seconds.
#[must_use]
pub fn measurement_seconds(config: &TrainConfig, parameters: u64, images: usize, step: f64) -> f64 {
    let batch = config.batch_size.max(1) as usize;
    let subset = config.sharpness_images.unwrap_or(SHARPNESS_IMAGES).min(images) / batch;
    let per_epoch = images.div_ceil(batch) as u64;
    let gradients =
        subset.max(1) as u64 * (USUAL_PRODUCTS + 1) + STEPS.len() as u64 + 2 * SHARPNESS_BATCHES.min(per_epoch);
    let on_device = step * Measurement::PROBE.0 as f64 / config.ks.len() as f64;
    gradients as f64 * (on_device + HOST_SECONDS * parameters as f64)
}

/// Estimates how long a run takes. A short step is timed whole. Otherwise steps of one replica on two smaller batches are
/// timed, and the line through them gives the constant cost of a step and the cost of a sample.
///
/// # Errors
/// As [`Trainer::new`].
pub async fn estimate(
    context: &Rc<Context>,
    config: &TrainConfig,
    dataset: &Arc<Dataset>,
) -> Result<Estimate, TrainError> {
    let limits = MemoryLimits { binding: context.adapter().binding_bytes(), total: context.memory_budget() };
    let whole = plan(config, dataset, &Tuning::default(), limits)?;
    let samples = config.batch_size;
    let flops = whole.flops(|chunk| RecordingKind::Train(chunk, samples));
    let replicas = config.ks.len();
    let budget = context.adapter().submit_flops() * PROBE_SUBMITS;
    let step = if flops <= budget {
        probe(context, config, dataset, replicas, samples).await?
    } else {
        let of_sample = flops / (replicas as u64 * u64::from(samples)).max(1);
        let few = (budget / of_sample.max(1) / 3).clamp(1, u64::from(samples / 2).max(1)) as u32;
        let short = probe(context, config, dataset, 1, few).await?;
        let long = probe(context, config, dataset, 1, 2 * few).await?;
        let of_sample = (long - short).max(0.0) / f64::from(few);
        let alone = (short - of_sample * f64::from(few)).max(0.0);
        replicas as f64 * (alone + of_sample * f64::from(samples))
    };
    let sizes = Batches::sizes(config, dataset);
    let length = config.length(sizes.train);
    let batch = sizes.test.min(EVALUATION_BATCH as usize) as u32;
    // Without test images there is no recording of an evaluation.
    let forward = if batch == 0 { 0 } else { whole.flops(|chunk| RecordingKind::Evaluate(chunk, batch)) };
    let evaluation = step * forward as f64 / flops.max(1) as f64 * sizes.test as f64 / f64::from(batch.max(1));
    Ok(Estimate {
        step,
        evaluation,
        steps: length.steps,
        evaluations: length.evaluations,
        measurement: measurement_seconds(config, whole.network.parameter_count(), sizes.train, step),
        measurements: length.measurements,
    })
}

/// Seconds of a step of `replicas` replicas on batches of `samples`.
async fn probe(
    context: &Rc<Context>,
    config: &TrainConfig,
    dataset: &Arc<Dataset>,
    replicas: usize,
    samples: u32,
) -> Result<f64, TrainError> {
    let config = TrainConfig {
        ks: config.ks[..replicas].to_vec(),
        batch_size: samples,
        steps: Some(1),
        test_limit: Some(1),
        sharpness: None,
        sharpness_images: None,
        perturb: Vec::new(),
        lyapunov: None,
        lyapunov_distances: Vec::new(),
        ..config.clone()
    };
    let new = Trainer::new(Rc::clone(context), config, Arc::clone(dataset), Tuning::default(), Start::Fresh);
    new.await?.step_seconds()
}

impl Trainer {
    /// Median seconds of a step with its metrics, repeated on the same batch. The steps update the weights, so the trainer must
    /// not continue its run.
    fn step_seconds(&mut self) -> Result<f64, TrainError> {
        let samples = self.config.batch_size;
        let mut kinds = vec![RecordingKind::Input(samples)];
        for chunk in 0..self.plan.chunks.len() {
            kinds.extend([RecordingKind::Train(chunk, samples), RecordingKind::Measure(chunk)]);
        }
        let once = || -> Result<f64, TrainError> {
            let start = Instant::now();
            let mut submitter = Submitter::new(&self.context);
            kinds.iter().for_each(|kind| submitter.run(&self.programs[kind], &self.buffers));
            submitter.wait();
            self.context.check()?;
            Ok(start.elapsed().as_secs_f64())
        };
        // Warm up: drivers compile at the first use.
        once()?;
        let mut seconds = [once()?, once()?, once()?];
        seconds.sort_by(f64::total_cmp);
        Ok(seconds[1])
    }
}

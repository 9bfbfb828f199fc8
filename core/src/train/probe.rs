//! Evaluates a network at given weights: losses and gradients on the images of a run, without training. Several weights go through the
//! network in lockstep, as replicas of one plan, so that their gradients differ in the weights alone.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use super::batch::{Batches, SetKind, SetSizes};
use super::config::TrainConfig;
use super::error::TrainError;
use super::plan::{BatchSizes, MemoryLimits, Plan, PlanUse, RecordingKind, Tuning};
use super::state::Weights;
use super::trainer::{allocated, dispatch_flops, network_of, tuned};
use super::transfer;
use crate::data::{Dataset, Outline};
use crate::device::{Buffers, Context, Program, Readback, Submitter};
use crate::nets::Network;
use crate::ops::sgd::Perturbation;

/// Images that a [`Probe`] evaluates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeBatch {
    /// The batch of a training step, from 1, cropped and flipped as in training.
    Step(u64),
    /// Training images in file order, centred. Their number is that of a batch of the run.
    Images(Range<usize>),
}

/// Loss and gradient at one point.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradient {
    /// Mean loss of the batch.
    pub loss: f32,
    /// Number of correct answers.
    pub correct: u32,
    /// The gradient, laid out as a parameter arena ([`Network::parameter_stride`] floats, 0 between tensors).
    pub values: Vec<f32>,
}

/// Which replica switches the ReLUs of a [`Probe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switches {
    /// Each point its own, as in training.
    Own,
    /// The first point those of all: the others compute a smooth function of the weights ([`Network::gated`]). All points are in one
    /// chunk.
    First,
}

/// Evaluates a network at given weights.
pub struct Probe {
    pub(super) context: Rc<Context>,
    pub(super) plan: Plan,
    pub(super) buffers: Buffers,
    pub(super) programs: HashMap<RecordingKind, Program>,
    pub(super) readback: Readback,
    pub(super) batches: Batches,
    pub(super) slots: usize,
}

/// Tuning and limits of a probe on a device that holds `reserved` bytes already.
fn beside(context: &Context, tuning: Tuning, reserved: u64) -> (Tuning, MemoryLimits) {
    let (tuning, limits) = tuned(context, tuning);
    (tuning, MemoryLimits { total: limits.total.map(|total| total.saturating_sub(reserved)), ..limits })
}

/// A plan that trains nothing.
fn plan_of_use(
    plan_use: PlanUse,
    network: &Network,
    slots: usize,
    sizes: &BatchSizes,
    outline: &Outline,
    tuning: &Tuning,
    limits: MemoryLimits,
) -> Result<Plan, TrainError> {
    let normalization: Vec<_> = outline.normalization.iter().map(|bits| bits.map(f32::from_bits)).collect();
    let images = (normalization.as_slice(), outline.pad_byte);
    let rule = Perturbation::Divide.into();
    Ok(Plan::of_use(plan_use, network, slots, rule, sizes, images, tuning, limits)?)
}

impl Probe {
    /// A probe of the network and the images of `config`, for up to `slots` weights at a time. `reserved` is the memory in bytes that
    /// the device holds already, for a run beside the probe.
    ///
    /// # Errors
    /// Those of [`super::plan`]. [`TrainError::Gpu`] if the buffers do not fit in memory, the driver refuses a kernel, or the device is
    /// lost.
    pub async fn new(
        context: Rc<Context>,
        config: &TrainConfig,
        dataset: Arc<Dataset>,
        tuning: Tuning,
        (slots, switches): (usize, Switches),
        reserved: u64,
    ) -> Result<Self, TrainError> {
        let (tuning, limits) = beside(&context, tuning, reserved);
        let plan = Self::plan(config, &dataset, &tuning, (slots, switches), limits)?;
        Self::of_plan(context, plan, &tuning, Batches::new(config, dataset), slots).await
    }

    /// A probe that evaluates networks on at most `images` training and as many test images ([`Probe::estimate_statistics`],
    /// [`Probe::logits`]), for up to `slots` weights at a time. `reserved` as in [`Probe::new`].
    ///
    /// # Errors
    /// Same as [`Probe::new`].
    pub async fn evaluating(
        context: Rc<Context>,
        config: &TrainConfig,
        dataset: Arc<Dataset>,
        tuning: Tuning,
        (slots, images): (usize, usize),
        reserved: u64,
    ) -> Result<Self, TrainError> {
        let (tuning, limits) = beside(&context, tuning, reserved);
        let outline = dataset.outline();
        let network = network_of(config, &outline)?;
        let sizes = SetSizes::limited(config, [outline.train, outline.test]).evaluation_batches(images);
        let plan = plan_of_use(PlanUse::Evaluating, &network, slots, &sizes, &outline, &tuning, limits)?;
        Self::of_plan(context, plan, &tuning, Batches::new(config, dataset), slots).await
    }

    async fn of_plan(
        context: Rc<Context>,
        plan: Plan,
        tuning: &Tuning,
        batches: Batches,
        slots: usize,
    ) -> Result<Self, TrainError> {
        let buffers = allocated(&context, &plan, tuning).await?;
        let mut programs = HashMap::new();
        for kind in plan.kinds() {
            let flops = dispatch_flops(&context, tuning);
            programs.insert(kind, Program::build(&context, &buffers, plan.recording(kind), flops).await?);
        }
        Ok(Self { context, plan, buffers, programs, readback: Readback::default(), batches, slots })
    }

    /// The plan of a probe: what [`Probe::new`] would allocate and record.
    ///
    /// # Errors
    /// Same as [`super::plan`].
    pub fn plan(
        config: &TrainConfig,
        dataset: &Dataset,
        tuning: &Tuning,
        (slots, switches): (usize, Switches),
        limits: MemoryLimits,
    ) -> Result<Plan, TrainError> {
        let outline = dataset.outline();
        let network = network_of(config, &outline)?;
        let sizes = SetSizes::limited(config, [outline.train, outline.test]).batches(config.batch_size);
        let (network, most) = match switches {
            Switches::First if network.has_kinks() => (network.gated(), Some(slots)),
            Switches::First | Switches::Own => (network, None),
        };
        let tuning = Tuning { chunk_replicas: most.or(tuning.chunk_replicas), ..tuning.clone() };
        let plan = plan_of_use(PlanUse::Gradients, &network, slots, &sizes, &outline, &tuning, limits)?;
        if most.is_some() && plan.chunks.len() > 1 {
            let message = format!(
                "the curvature of {} takes {slots} copies of it at a time, which do not fit in memory: use a smaller batch or width",
                network.name
            );
            return Err(TrainError::Start(message));
        }
        Ok(plan)
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.plan.network
    }

    /// The parameter arena of `weights`, a point for [`Probe::gradients`].
    #[must_use]
    pub fn point(&self, weights: &Weights) -> Vec<f32> {
        transfer::parameter_arena(&self.plan.network, &weights.parameters)
    }

    /// Number of training images after the limit of the config.
    #[must_use]
    pub fn train_images(&self) -> usize {
        self.batches.train_images()
    }

    /// Loss and gradient at each of `points`, parameter arenas of one length, with the batch's own statistics in batch norms.
    ///
    /// # Errors
    /// [`TrainError::Gpu`] if the device is lost, runs out of memory or refuses a call.
    ///
    /// # Panics
    /// If there are no points or more than this probe has slots, or no batch of the run has as many images as `batch`.
    pub async fn gradients(&mut self, points: &[&[f32]], batch: &ProbeBatch) -> Result<Vec<Gradient>, TrainError> {
        self.gradients_from(0, points, batch).await
    }

    /// Same as [`Probe::gradients`], for the points from position `first` on. Those before it only switch the ReLUs.
    pub(super) async fn gradients_from(
        &mut self,
        first: usize,
        points: &[&[f32]],
        batch: &ProbeBatch,
    ) -> Result<Vec<Gradient>, TrainError> {
        assert!((1..=self.slots).contains(&points.len()), "1 to {} points, not {}", self.slots, points.len());
        let samples = self.upload(batch);
        let arena = u64::from(self.plan.network.parameter_stride) * 4;
        let mut gradients = Vec::with_capacity(points.len() - first);
        for (index, chunk) in self.plan.chunks.iter().enumerate() {
            let begin = first.max(chunk.replicas.start);
            let n = points.len().min(chunk.replicas.end).saturating_sub(begin) as u64;
            if n == 0 {
                continue;
            }
            for (at, slot) in chunk.replicas.clone().enumerate() {
                // Slots beyond the points compute the last one again.
                let point = points[slot.min(points.len() - 1)];
                self.buffers.write(&self.context, chunk.parameters, at as u64 * arena, bytemuck::cast_slice(point));
            }
            let mut submitter = Submitter::new(&self.context);
            submitter.run(&self.programs[&RecordingKind::Input(samples)], &self.buffers);
            submitter.run(&self.programs[&RecordingKind::Gradient(index, samples)], &self.buffers);
            // Chunks share the gradients: copy them before the next chunk overwrites them. A copy is as large as all weights, and with
            // small batches copies take longer than the kernels, so only what is wanted is copied.
            let skipped = (begin - chunk.replicas.start) as u64;
            let ranges = [
                (self.plan.gradients, skipped * arena, n * arena),
                (self.plan.metrics, chunk.metrics.totals + skipped * 8, n * 8),
            ];
            let pending = self.readback.capture_all(&self.context, submitter, &self.buffers, &ranges);
            let bytes = self.readback.take(&self.context, pending).await?;
            let (values, totals) = bytes.split_at(ranges[0].2 as usize);
            let totals: Vec<[f32; 2]> = bytemuck::pod_collect_to_vec(totals);
            gradients.extend(values.chunks(arena as usize).zip(totals).map(|(values, [loss, correct])| Gradient {
                loss: loss / samples as f32,
                correct: correct as u32,
                values: bytemuck::pod_collect_to_vec(values),
            }));
        }
        Ok(gradients)
    }

    /// Queues the upload of a batch and returns its number of samples.
    fn upload(&mut self, batch: &ProbeBatch) -> u32 {
        let layout = &self.plan.upload_layout;
        let mut upload = vec![0; layout.bytes as usize];
        let samples = match batch {
            ProbeBatch::Step(step) => self.batches.train(*step, layout, &mut upload),
            ProbeBatch::Images(range) => self.batches.centred(SetKind::Train, range.clone(), layout, &mut upload),
        };
        self.buffers.write(&self.context, self.plan.upload, 0, &upload);
        samples
    }
}

//! The steps of a run as plain data, for those who compute them without a device: another implementation, or a plain reading of
//! docs/ORDER.md. A [`Trainer`](super::Trainer) on a device runs the same recordings on the same bytes.

use std::sync::Arc;

use super::batch::Batches;
use super::config::TrainConfig;
use super::error::TrainError;
use super::events::Event;
use super::plan::{MemoryLimits, Plan, RecordingKind, Tuning};
use super::schedule::logs_layers;
use super::state::State;
use super::trainer::{Start, Trainer, plan};
use super::{metrics, transfer, upload};
use crate::data::Dataset;
use crate::record::BufferId;

/// The steps of a run. To compute them, allocate the buffers of [`Plan::table`] with any contents, run [`Plan::clear`], and write
/// [`Steps::contents`]. For each step, write [`Step::upload`] to [`Plan::upload`] and run [`Step::recordings`]; then the buffer
/// [`Plan::metrics`] has what [`Steps::events`] reads.
pub struct Steps {
    config: TrainConfig,
    pub(super) plan: Plan,
    pub(super) batches: Batches,
    start: State,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Number of the step, from 1.
    pub number: u64,
    /// Learning rate.
    pub lr: f64,
    /// Number of samples in the batch.
    pub samples: u32,
    /// Whether fingerprints are measured after the step.
    pub layers: bool,
    /// The bytes of the upload buffer.
    pub upload: Vec<u8>,
    /// The recordings to run, in order; [`Plan::recording`] has each.
    pub recordings: Vec<RecordingKind>,
}

impl Steps {
    /// The steps of `config` on `dataset`.
    ///
    /// # Errors
    /// Those of [`plan`], [`TrainError::Start`] if `start` does not fit the network and the divisors, and [`TrainError::Config`] if the run
    /// changes weights between its steps, which is not part of a recording.
    pub fn new(
        config: TrainConfig,
        dataset: Arc<Dataset>,
        tuning: &Tuning,
        limits: MemoryLimits,
        start: Start,
    ) -> Result<Self, TrainError> {
        config.check_undisturbed()?;
        let plan = plan(&config, &dataset, tuning, limits)?;
        let start = Trainer::start_state(&config, &plan.network, start)?;
        let batches = Batches::new(&config, dataset);
        Ok(Self { config, plan, batches, start })
    }

    /// Buffers and recordings.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Buffers and the bytes to write from their start before the first step: constant tables and the state of every replica.
    #[must_use]
    pub fn contents(&self) -> Vec<(BufferId, Vec<u8>)> {
        let state = transfer::state_contents(&self.plan, &self.start).into_iter();
        let state = state.map(|(buffer, arenas)| (buffer, bytemuck::cast_slice(&arenas).to_vec()));
        self.plan.contents.iter().cloned().chain(state).collect()
    }

    /// Step `number`, from 1.
    pub fn step(&mut self, number: u64) -> Step {
        let lr = self.config.lr_at(number, self.config.length(self.batches.train_images()));
        let layers = logs_layers(self.config.log_every, number);
        let (upload, samples) = upload::of_step(&self.config, &self.plan, &mut self.batches, number, lr);
        let recordings = self.plan.training(samples).chain(self.plan.measuring(layers)).collect();
        Step { number, lr, samples, layers, upload, recordings }
    }

    /// The events of a step. `metrics` has the bytes of [`Plan::metrics`] after it.
    #[must_use]
    pub fn events(&self, step: &Step, metrics: &[u8]) -> Vec<Event> {
        let (results, network) = (metrics::parse(&self.plan, metrics), &self.plan.network);
        let event = results.step_event(network, step.number, self.epoch(step.number), step.lr, step.samples);
        let layers = results.layer_events(network, step.number, &self.config.ks).filter(|_| step.layers);
        std::iter::once(Event::Step(event)).chain(layers.map(Event::Layers)).collect()
    }

    /// The epoch of a step, from 0.
    fn epoch(&self, step: u64) -> u64 {
        (step - 1) / self.batches.per_epoch()
    }
}

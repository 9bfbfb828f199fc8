//! The step loop: all replicas train on the same batch, then the next step begins. The host stays up to two steps ahead of
//! a GPU: it waits only for the results of the step two before the one that it has just submitted. The processor and
//! software GPUs compute during submission, so there it waits for each step.

use std::collections::VecDeque;
use std::rc::Rc;

use super::config::LrChange;
use super::error::TrainError;
use super::events::{EpochEvent, Event};
use super::in_flight::{Evaluation, InFlight};
use super::plan::{Phase, RecordingKind};
use super::schedule::logs_layers;
use super::state::{EpochSums, State};
use super::trainer::Trainer;
use super::{metrics, transfer, upload};
use crate::device::{Context, Pending, Submitter};

/// Result of a call of [`Trainer::advance`].
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// New events, in order. They may belong to a step that an earlier call submitted.
    pub events: Vec<Event>,
    /// True if the last step is done and evaluated.
    pub finished: bool,
}

impl Trainer {
    /// Whether an evaluation is due after `step` steps.
    #[must_use]
    pub fn is_evaluated_after(&self, step: u64) -> bool {
        let per_epoch = self.batches.per_epoch();
        let every = u64::from(self.config.eval_every);
        let at_epoch_end =
            step > 0 && step.is_multiple_of(per_epoch) && every > 0 && (step / per_epoch).is_multiple_of(every);
        at_epoch_end || step >= self.total_steps()
    }

    /// Does the next piece of work: a step, or one batch of an evaluation or of a measurement. Returns the events since the last call.
    ///
    /// # Errors
    /// [`TrainError::Gpu`] if the device is lost, runs out of memory or refuses a call.
    pub async fn advance(&mut self) -> Result<Progress, TrainError> {
        let mut finished = false;
        if self.evaluation.is_some() {
            self.evaluate_some().await?;
        } else if self.is_evaluated_after(self.submitted) && !self.evaluated {
            self.drain().await?;
            let sums = EpochSums::new(self.config.ks.len());
            self.evaluation = Some(Evaluation { next: 0, sums, pending: VecDeque::new() });
        } else if self.is_measurement_due() {
            self.measure_some().await?;
        } else if self.submitted < self.total_steps() {
            self.disturb(self.submitted + 1).await?;
            self.submit_step().await?;
            if self.in_flight.len() > self.ahead {
                self.harvest().await?;
            }
        } else {
            self.drain().await?;
            finished = true;
        }
        Ok(Progress { events: std::mem::take(&mut self.events), finished })
    }

    /// Waits for all steps in flight and returns their events.
    ///
    /// # Errors
    /// [`TrainError::Gpu`] if the device is lost, runs out of memory or refuses a call.
    pub async fn flush(&mut self) -> Result<Vec<Event>, TrainError> {
        self.drain().await?;
        Ok(std::mem::take(&mut self.events))
    }

    /// The state after the last submitted step. Call [`Trainer::flush`] first to receive that step's events.
    ///
    /// # Errors
    /// [`TrainError::Gpu`] if the device is lost, runs out of memory or refuses a call.
    pub async fn state(&mut self) -> Result<State, TrainError> {
        self.drain().await?;
        let replicas = transfer::read_replicas(&self.context, &self.buffers, &self.plan, &self.readback).await?;
        Ok(State { step: self.done, reported: self.reported(), sums: self.sums.clone(), replicas })
    }

    pub(super) fn lr_at(&self, step: u64) -> f64 {
        self.config.lr_at(step, self.config.length(self.batches.train_images()))
    }

    /// Sets the learning rate from the next submitted step on and returns that step. The rate becomes an entry of the config's
    /// `lr-changes`, and decays as such.
    ///
    /// # Errors
    /// [`TrainError::Config`] if `lr` is not a positive number, or float32 cannot hold it.
    pub fn set_lr(&mut self, lr: f64) -> Result<u64, TrainError> {
        let step = self.submitted + 1;
        let before = self.config.lr_changes.clone();
        self.config.lr_changes.retain(|change| change.step < step);
        self.config.lr_changes.push(LrChange { step, lr });
        if let Err(error) = self.config.validate() {
            self.config.lr_changes = before;
            return Err(error.into());
        }
        Ok(step)
    }

    /// The upload of `step` at learning rate `lr`, and the number of samples in its batch.
    pub(super) fn upload(&mut self, step: u64, lr: f64) -> (Vec<u8>, u32) {
        upload::of_step(&self.config, &self.plan, &mut self.batches, step, lr)
    }

    /// Encodes `phase` of the chunks that this trainer trains itself, on a batch whose upload is already queued.
    pub(super) fn encode_chunks(&self, submitter: &mut Submitter<'_>, phase: Phase, samples: u32) {
        submitter.run(&self.programs[&RecordingKind::Input(samples)], &self.buffers);
        for chunk in 0..self.plan.chunks.len() {
            #[cfg(feature = "processor")]
            if self.is_elsewhere(chunk) {
                continue;
            }
            submitter.run(&self.programs[&phase.recording(chunk, samples)], &self.buffers);
        }
    }

    /// Runs `phase` of all chunks on the batch in `upload`, here and in the team. Returns a submitter for what follows.
    async fn run_chunks<'c>(
        &mut self,
        context: &'c Context,
        phase: Phase,
        samples: u32,
        upload: Vec<u8>,
    ) -> Result<Submitter<'c>, TrainError> {
        self.buffers.write(context, self.plan.upload, 0, &upload);
        #[cfg(feature = "processor")]
        let results = self.assign(phase, samples, upload).await?;
        let mut submitter = Submitter::new(context);
        self.encode_chunks(&mut submitter, phase, samples);
        #[cfg(feature = "processor")]
        if let Some(results) = results {
            submitter.submit();
            self.receive(phase, results).await?;
            submitter = Submitter::new(context);
        }
        Ok(submitter)
    }

    /// Encodes the end of a step: the flipped bit, if one is due, and the measurements, with fingerprints only if `layers`.
    pub(super) fn encode_end(&self, submitter: &mut Submitter<'_>, step: u64, layers: bool) {
        if let Some((_, program)) = self.flip.as_ref().filter(|(flip, _)| flip.step == step) {
            submitter.run(program, &self.buffers);
        }
        self.plan.measuring(layers).for_each(|kind| submitter.run(&self.programs[&kind], &self.buffers));
    }

    async fn submit_step(&mut self) -> Result<(), TrainError> {
        let step = self.submitted + 1;
        let lr = self.lr_at(step);
        let layers = logs_layers(self.config.log_every, step);
        let (upload, samples) = self.upload(step, lr);
        let context = Rc::clone(&self.context);
        let mut submitter = self.run_chunks(&context, Phase::Train, samples, upload).await?;
        self.encode_end(&mut submitter, step, layers);
        let pending = self.capture(submitter);
        #[cfg(feature = "processor")]
        if let Some((flip, _)) = self.flip.as_ref().filter(|(flip, _)| flip.step == step) {
            self.announce(self.plan.chunk_of(flip.replica));
        }
        self.in_flight.push_back(InFlight { step, samples, lr, layers, pending });
        self.submitted = step;
        self.evaluated = false;
        Ok(())
    }

    fn capture(&self, submitter: Submitter<'_>) -> Pending {
        let bytes = self.plan.table().spec(self.plan.metrics).bytes;
        self.readback.capture(&self.context, submitter, &self.buffers, (self.plan.metrics, 0, bytes))
    }

    pub(super) async fn drain(&mut self) -> Result<(), TrainError> {
        while !self.in_flight.is_empty() {
            self.harvest().await?;
        }
        Ok(())
    }

    /// Waits for the results of the oldest step in flight and turns them into events.
    async fn harvest(&mut self) -> Result<(), TrainError> {
        let Some(InFlight { step, samples, lr, layers, pending }) = self.in_flight.pop_front() else {
            return Ok(());
        };
        let bytes = self.readback.take(&self.context, pending).await?;
        let per_epoch = self.batches.per_epoch();
        if (step - 1) % per_epoch == 0 {
            self.sums = EpochSums::new(self.config.ks.len());
        }
        let results = metrics::parse(&self.plan, &bytes);
        self.sums.add(samples, &results.totals);
        let epoch = (step - 1) / per_epoch;
        self.events.push(Event::Step(results.step_event(&self.network, step, epoch, lr, samples)));
        if layers {
            self.events.extend(results.layer_events(&self.network, step, &self.config.ks).map(Event::Layers));
        }
        self.done = step;
        Ok(())
    }

    /// Submits the next batch of the evaluation, or ends the evaluation.
    async fn evaluate_some(&mut self) -> Result<(), TrainError> {
        let Some(mut evaluation) = self.evaluation.take() else {
            return Ok(());
        };
        let mut upload = vec![0; self.plan.upload_layout.bytes as usize];
        let more = self.batches.test(evaluation.next, &self.plan.upload_layout, &mut upload);
        if let Some(samples) = more {
            let context = Rc::clone(&self.context);
            let submitter = self.run_chunks(&context, Phase::Evaluate, samples, upload).await?;
            let pending = self.capture(submitter);
            evaluation.pending.push_back((samples, pending));
            evaluation.next += samples as usize;
        }
        while evaluation.pending.len() > if more.is_some() { self.ahead } else { 0 } {
            let Some((samples, pending)) = evaluation.pending.pop_front() else {
                break;
            };
            let bytes = self.readback.take(&self.context, pending).await?;
            evaluation.sums.add(samples, &metrics::parse(&self.plan, &bytes).totals);
        }
        if more.is_some() {
            self.evaluation = Some(evaluation);
            return Ok(());
        }
        let (train_loss, train_accuracy) = self.sums.means();
        let (test_loss, test_accuracy) = evaluation.sums.means();
        self.events.push(Event::Epoch(EpochEvent {
            epoch: self.done.div_ceil(self.batches.per_epoch()),
            step: self.done,
            lr: self.lr_at(self.done),
            train_loss,
            train_accuracy,
            test_loss,
            test_accuracy,
        }));
        self.evaluated = true;
        Ok(())
    }
}

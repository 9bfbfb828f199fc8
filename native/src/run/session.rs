//! The loop of a run: it writes the trainer's events to the files and the screen, and hands a state over to the saver when a
//! checkpoint is due.

use std::time::{Duration, Instant};

use lastbit_core::train::{Event, StepEvent, Trainer};
use pollster::block_on;

use super::checkpoints::Checkpoints;
use super::first_files::FirstFiles;
use super::folder::{RunFolder, Unsynced};
use super::journal::Journal;
use super::saver::{Disk, Save, Saver};
use super::summary::{RunProgress, Summary};
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::Screen;
use crate::run_config::{CheckpointEvery, RunConfig};
use crate::tensorboard::TensorBoard;
use crate::terminal::warn;

/// How a session ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The run is complete.
    Finished,
    /// A signal stopped it after this many steps; everything is saved.
    Interrupted(u64),
}

/// A run in progress with its files and its screen.
pub struct Session {
    /// The trainer.
    pub trainer: Trainer,
    /// Config of trainer and host.
    pub config: RunConfig,
    /// The run folder.
    pub folder: RunFolder,
    /// Metrics and timing.
    pub journal: Journal,
    /// Of a new run: its config file, not yet synced, and the first files that are still to be written.
    pub first_files: Option<(Unsynced, FirstFiles)>,
    /// Summary of the run so far.
    pub summary: Summary,
    /// Shows the run to the user.
    pub screen: Screen,
    /// Step of the newest checkpoint, and whether it contains the evaluation after that step.
    pub saved: Option<(u64, bool)>,
    /// Fault injector: the step after which the device is destroyed.
    pub lose_device: Option<u64>,
}

/// Times and reports of the session.
struct Marks {
    /// When the last step or evaluation ended.
    step: Instant,
    /// When the last checkpoint was handed over.
    checkpoint: Instant,
    /// Step of the last evaluation.
    evaluated: Option<u64>,
    /// By replica: true if the warning about numbers that are not finite has been printed.
    is_told: Vec<bool>,
}

impl Session {
    /// Trains until the end or a signal.
    pub fn run(mut self) -> Result<(Outcome, Summary), Failure> {
        let now = Instant::now();
        let evaluated = self.saved.filter(|(_, is_evaluated)| *is_evaluated).map(|(step, _)| step);
        let is_told = vec![false; self.config.train.ks.len()];
        let mut marks = Marks { step: now, checkpoint: now, evaluated, is_told };
        let mut saver = Saver::new(Disk {
            folder: self.folder.path().to_owned(),
            checkpoints: Checkpoints::of(&self.folder, self.config.host.keep_checkpoints as usize),
            journal: self.journal.syncer()?,
            network: self.trainer.network().clone(),
            config: self.config.train.clone(),
        });
        let mut first_files = None;
        if let Some((config, others)) = self.first_files.take() {
            saver.sync(vec![config])?;
            first_files = Some(others);
        }
        let tensorboard = self.config.host.tensorboard;
        let begin = || TensorBoard::begin(self.folder.path(), &self.config.train.ks);
        let mut tensorboard = tensorboard.then(begin).transpose()?;
        let outcome = loop {
            if interrupt::requested() {
                self.write_others(&mut first_files, &mut saver)?;
                self.save(&mut marks, &mut saver, &mut tensorboard, false)?;
                break Outcome::Interrupted(self.trainer.step());
            }
            if self.lose_device.is_some_and(|step| self.trainer.submitted() >= step) {
                self.trainer.context().destroy();
            }
            let advanced = block_on(self.trainer.advance());
            // Even if the step failed, so that the run can be resumed.
            let writing = Instant::now();
            let written = self.write_others(&mut first_files, &mut saver);
            let progress = match advanced {
                Ok(progress) => progress,
                Err(error) => {
                    [written.err(), saver.wait().err()].into_iter().flatten().for_each(warn);
                    return Err(error.into());
                }
            };
            written?;
            // Does not count as time of a step that was done before. A GPU computes its first step meanwhile.
            if !progress.events.is_empty() {
                marks.step += writing.elapsed();
            }
            self.record(progress.events, &mut marks, &mut tensorboard)?;
            self.adopt(saver.poll()?);
            if progress.finished {
                self.save(&mut marks, &mut saver, &mut tensorboard, true)?;
                break Outcome::Finished;
            }
            if self.trainer.is_between_steps() && self.is_checkpoint_due(&marks) {
                self.save(&mut marks, &mut saver, &mut tensorboard, false)?;
            }
        };
        self.adopt(saver.wait()?);
        self.screen.finish();
        // Weights lost in the last update: no step has computed with them.
        for &replica in self.summary.not_finite().iter().filter(|replica| !marks.is_told[**replica]) {
            let (k, step) = (self.config.train.ks[replica], self.trainer.step());
            warn(format!("after step {step} the weights of replica {replica} (k = {k}) are not finite"));
        }
        Ok((outcome, self.summary))
    }

    /// Writes the files that a new run's folder still lacks.
    fn write_others(&self, first_files: &mut Option<FirstFiles>, saver: &mut Saver) -> Result<(), Failure> {
        first_files.take().map_or(Ok(()), |files| saver.sync(files.write_others(&self.folder)?))
    }

    fn adopt(&mut self, saved: Option<Summary>) {
        if let Some(saved) = saved {
            self.summary.adopt(saved);
        }
    }

    fn record(
        &mut self,
        events: Vec<Event>,
        marks: &mut Marks,
        tensorboard: &mut Option<TensorBoard>,
    ) -> Result<(), Failure> {
        // Steps that arrive together share the time.
        let n_steps = events.iter().filter(|event| matches!(event, Event::Step(_))).count();
        let seconds = marks.step.elapsed().as_secs_f64() / n_steps.max(1) as f64;
        for event in events {
            let line = event.to_json();
            self.summary.see(&event, &line);
            self.journal.metrics(&line)?;
            match &event {
                Event::Step(step) => {
                    tracing::debug!(step = step.step, seconds, "step");
                    self.journal.timing(step.step, seconds)?;
                    self.tell_not_finite(step, marks);
                    marks.step = Instant::now();
                }
                Event::Epoch(epoch) => {
                    tracing::info!(epoch = epoch.epoch, step = epoch.step, "evaluated");
                    marks.evaluated = Some(epoch.step);
                    marks.step = Instant::now();
                }
                Event::Layers(_) => {}
            }
            self.screen.show(&event, &line, self.summary.lamp());
            if let Some(tensorboard) = tensorboard {
                tensorboard.add(&serde_json::from_str(&line).unwrap_or_default())?;
            }
        }
        Ok(())
    }

    /// Warns once for each replica whose numbers are no longer finite, with the step, which may be of an earlier session, and the layer.
    /// The other replicas are not affected.
    fn tell_not_finite(&self, step: &StepEvent, marks: &mut Marks) {
        let ks = &self.config.train.ks;
        for (replica, layer) in step.first_not_finite.iter().enumerate() {
            let Some(layer) = layer.as_ref().filter(|_| !marks.is_told[replica]) else { continue };
            marks.is_told[replica] = true;
            let others = if ks.len() > 1 { "; the other replicas continue" } else { "" };
            let first = self.summary.lamp().first_not_finite(replica).unwrap_or(step.step);
            // The recorded lines of an earlier session do not name the layer.
            let at = if first < step.step { format!(", at step {} first", step.step) } else { ", first".to_owned() };
            warn(format!(
                "step {first}: the numbers of replica {replica} (k = {}) are no longer finite{at} in layer '{layer}'{others}",
                ks[replica]
            ));
        }
    }

    fn is_checkpoint_due(&self, marks: &Marks) -> bool {
        let step = self.trainer.submitted();
        match self.config.host.checkpoint_every {
            CheckpointEvery::Steps(steps) => step.is_multiple_of(steps),
            CheckpointEvery::Epochs(epochs) => {
                step.is_multiple_of(epochs.saturating_mul(self.trainer.steps_per_epoch()))
            }
            // The clock is monotonic, so setting the system's clock does no harm.
            CheckpointEvery::Minutes(minutes) => {
                marks.checkpoint.elapsed() >= Duration::from_secs(minutes.saturating_mul(60))
            }
        }
    }

    /// Finishes the steps under way and hands their state over to the saver. The GPU waits only for the copy of the state.
    fn save(
        &mut self,
        marks: &mut Marks,
        saver: &mut Saver,
        tensorboard: &mut Option<TensorBoard>,
        is_finished: bool,
    ) -> Result<(), Failure> {
        let events = block_on(self.trainer.flush())?;
        self.record(events, marks, tensorboard)?;
        tensorboard.as_mut().map_or(Ok(()), TensorBoard::flush)?;
        let step = self.trainer.step();
        let content = (step, marks.evaluated == Some(step));
        let is_new = self.saved != Some(content);
        if step > 0 && (is_new || is_finished) {
            let state = block_on(self.trainer.state())?;
            let progress = RunProgress {
                step,
                is_finished,
                steps_per_epoch: self.trainer.steps_per_epoch(),
                flip_bit: self.config.host.flip_bit.as_ref().map(ToString::to_string),
            };
            let metrics = is_new.then(|| self.journal.digest());
            let before = saver.save(Save { state, metrics, summary: self.summary.clone(), progress })?;
            self.adopt(before);
            self.saved = Some(content);
        }
        marks.step = Instant::now();
        marks.checkpoint = marks.step;
        Ok(())
    }
}

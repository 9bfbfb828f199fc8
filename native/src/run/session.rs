//! The loop of a run: it writes the trainer's events to the files and the screen, and hands a state over to the saver when a
//! checkpoint is due.

use std::time::{Duration, Instant};

use lastbit_core::train::{Event, Reported, StepEvent, Trainer};
use pollster::block_on;

use super::checkpoints::Checkpoints;
use super::first_files::FirstFiles;
use super::folder::RunFolder;
use super::journal::Journal;
use super::logits::write_logits;
use super::saver::{Disk, Save, Saver};
use super::summary::{RunProgress, Summary};
use super::tensorboard::TensorBoard;
use crate::failure::Failure;
use crate::files::Unsynced;
use crate::interrupt;
use crate::progress::{OutputMode, RunShape, Screen};
use crate::run_config::{CheckpointEvery, RunConfig};
use crate::terminal::warn;

/// How a session ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The run is complete.
    Finished,
    /// A signal stopped it after this many steps; everything is saved.
    Interrupted(u64),
}

/// A run that is ready for its next step, with its files.
pub struct Session {
    /// The trainer.
    pub trainer: Trainer,
    pub(super) config: RunConfig,
    pub(super) folder: RunFolder,
    pub(super) journal: Journal,
    /// Of a new run: its config file, not yet synced, and the first files that are still to be written.
    pub(super) first_files: Option<(Unsynced, FirstFiles)>,
    /// Summary of the run so far.
    pub(super) summary: Summary,
    /// Step of the newest checkpoint, and what of that which follows the step it contains.
    pub(super) saved: Option<(u64, Reported)>,
    /// Fault injector: the step after which the device is destroyed.
    pub(super) lose_device: Option<u64>,
}

/// What a session has while it trains.
struct Live {
    saver: Saver,
    /// The first files that are still to be written.
    first_files: Option<FirstFiles>,
    tensorboard: Option<TensorBoard>,
    /// When the last step or evaluation ended.
    step: Instant,
    /// When the last checkpoint was handed over.
    checkpoint: Instant,
    /// By replica: true if the warning about numbers that are not finite has been printed.
    is_reported: Vec<bool>,
    /// Dropped last: the bars stay until the last save has ended.
    screen: Screen,
}

impl Session {
    /// Number of steps done in earlier sessions.
    pub fn first_step(&self) -> u64 {
        self.saved.map_or(0, |(step, _)| step)
    }

    fn begin(&mut self, output: OutputMode) -> Result<Live, Failure> {
        let ks = &self.config.train.ks;
        let shape = RunShape::new(&self.config.train, self.first_step(), self.trainer.total_steps());
        let screen = Screen::new(output, shape, self.summary.control());
        let now = Instant::now();
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
        let tensorboard =
            self.config.host.tensorboard.then(|| TensorBoard::begin(self.folder.path(), ks)).transpose()?;
        let is_reported = vec![false; ks.len()];
        Ok(Live { screen, saver, first_files, tensorboard, step: now, checkpoint: now, is_reported })
    }

    /// Trains until the end or a signal.
    pub fn run(mut self, output: OutputMode) -> Result<(Outcome, Summary), Failure> {
        let mut live = self.begin(output)?;
        let outcome = loop {
            if interrupt::requested() {
                self.write_others(&mut live)?;
                self.save(&mut live, false)?;
                break Outcome::Interrupted(self.trainer.step());
            }
            if self.lose_device.is_some_and(|step| self.trainer.submitted() >= step) {
                self.trainer.context().destroy();
            }
            let advanced = block_on(self.trainer.advance());
            // Even if the step failed, so that the run can be resumed.
            let writing = Instant::now();
            let written = self.write_others(&mut live);
            let progress = match advanced {
                Ok(progress) => progress,
                Err(error) => {
                    [written.err(), live.saver.wait().err()].into_iter().flatten().for_each(warn);
                    return Err(error.into());
                }
            };
            written?;
            // Does not count as time of a step that was done before. A GPU computes its first step meanwhile.
            if !progress.events.is_empty() {
                live.step += writing.elapsed();
            }
            self.record(progress.events, &mut live)?;
            self.adopt(live.saver.poll()?);
            if progress.finished {
                self.save(&mut live, true)?;
                break Outcome::Finished;
            }
            if self.trainer.is_between_steps() && self.is_checkpoint_due(&live) {
                self.save(&mut live, false)?;
            }
        };
        self.adopt(live.saver.wait()?);
        live.screen.finish();
        // Weights lost in the last update: no step has computed with them.
        for &replica in self.summary.not_finite().iter().filter(|replica| !live.is_reported[**replica]) {
            let (k, step) = (self.config.train.ks[replica], self.trainer.step());
            warn(format!("after step {step} the weights of replica {replica} (k = {k}) are not finite"));
        }
        Ok((outcome, self.summary))
    }

    /// Writes the files that a new run's folder still lacks.
    fn write_others(&self, live: &mut Live) -> Result<(), Failure> {
        live.first_files.take().map_or(Ok(()), |files| live.saver.sync(files.write_others(&self.folder)?))
    }

    fn adopt(&mut self, saved: Option<Summary>) {
        if let Some(saved) = saved {
            self.summary.adopt(saved);
        }
    }

    fn record(&mut self, events: Vec<Event>, live: &mut Live) -> Result<(), Failure> {
        // Steps that arrive together share the time.
        let n_steps = events.iter().filter(|event| matches!(event, Event::Step(_))).count();
        let seconds = live.step.elapsed().as_secs_f64() / n_steps.max(1) as f64;
        for event in events {
            let line = event.to_json();
            self.summary.add(&event, &line);
            self.journal.metrics(&line)?;
            match &event {
                Event::Step(step) => {
                    tracing::debug!(step = step.step, seconds, "step");
                    self.journal.timing(step.step, seconds)?;
                    self.warn_of_not_finite(step, live);
                    live.step = Instant::now();
                }
                Event::Epoch(epoch) => {
                    tracing::info!(epoch = epoch.epoch, step = epoch.step, "evaluated");
                    if self.config.host.keep_logits {
                        write_logits(&mut self.trainer, self.folder.path(), epoch.step)?;
                    }
                    live.step = Instant::now();
                }
                Event::Curvature(_) => live.step = Instant::now(),
                Event::Layers(_) | Event::Growth(_) => {}
            }
            live.screen.show(&event, &line, self.summary.control());
            if let Some(tensorboard) = &mut live.tensorboard {
                tensorboard.add(&serde_json::from_str(&line).unwrap_or_default())?;
            }
        }
        Ok(())
    }

    /// Warns once for each replica whose numbers are no longer finite, with the step, which may be of an earlier session, and the layer.
    /// The other replicas are not affected.
    fn warn_of_not_finite(&self, step: &StepEvent, live: &mut Live) {
        let ks = &self.config.train.ks;
        for (replica, layer) in step.first_not_finite.iter().enumerate() {
            let Some(layer) = layer.as_ref().filter(|_| !live.is_reported[replica]) else { continue };
            live.is_reported[replica] = true;
            let others = if ks.len() > 1 { "; the other replicas continue" } else { "" };
            let first = self.summary.control().first_not_finite(replica).unwrap_or(step.step);
            // The recorded lines of an earlier session do not name the layer.
            let at = if first < step.step { format!(", at step {} first", step.step) } else { ", first".to_owned() };
            warn(format!(
                "step {first}: the numbers of replica {replica} (k = {}) are no longer finite{at} in layer '{layer}'{others}",
                ks[replica]
            ));
        }
    }

    fn is_checkpoint_due(&self, live: &Live) -> bool {
        let step = self.trainer.submitted();
        match self.config.host.checkpoint_every {
            CheckpointEvery::Steps(steps) => step.is_multiple_of(steps),
            CheckpointEvery::Epochs(epochs) => {
                step.is_multiple_of(epochs.saturating_mul(self.trainer.steps_per_epoch()))
            }
            // The clock is monotonic, so setting the system's clock does no harm.
            CheckpointEvery::Minutes(minutes) => {
                live.checkpoint.elapsed() >= Duration::from_secs(minutes.saturating_mul(60))
            }
        }
    }

    /// Finishes the steps under way and hands their state over to the saver. The GPU waits only for the copy of the state.
    fn save(&mut self, live: &mut Live, is_finished: bool) -> Result<(), Failure> {
        let events = block_on(self.trainer.flush())?;
        self.record(events, live)?;
        live.tensorboard.as_mut().map_or(Ok(()), TensorBoard::flush)?;
        let step = self.trainer.step();
        let content = (step, self.trainer.reported());
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
            let before = live.saver.save(Save { state, metrics, summary: self.summary.clone(), progress })?;
            self.adopt(before);
            self.saved = Some(content);
        }
        live.step = Instant::now();
        live.checkpoint = live.step;
        Ok(())
    }
}

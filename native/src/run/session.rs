//! The loop of a run: takes the trainer's events to the files and to the screen, and saves when it is time.

use std::time::{Duration, Instant};

use lastbit_core::train::{Event, Trainer};
use pollster::block_on;

use super::checkpoints::Checkpoints;
use super::folder::RunFolder;
use super::journal::Journal;
use super::summary::{RunProgress, Summary};
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::Screen;
use crate::run_config::{CheckpointEvery, RunConfig};

/// How a session ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The run is complete.
    Finished,
    /// Ctrl-C after this many steps; all is saved.
    Interrupted(u64),
}

/// A run in progress with its files and its screen.
pub struct Session {
    /// The steps.
    pub trainer: Trainer,
    /// Config of trainer and host.
    pub config: RunConfig,
    /// Where everything goes.
    pub folder: RunFolder,
    /// Metrics and timing.
    pub journal: Journal,
    /// Where the run stands.
    pub summary: Summary,
    /// What the user sees.
    pub screen: Screen,
    /// Step and evaluation that the newest checkpoint holds.
    pub saved: Option<(u64, bool)>,
}

/// When it was that something happened last.
struct Marks {
    step: Instant,
    checkpoint: Instant,
    /// The step that was evaluated last.
    evaluated: Option<u64>,
}

impl Session {
    /// Trains until the end or Ctrl-C.
    pub fn run(mut self) -> Result<(Outcome, Summary), Failure> {
        let now = Instant::now();
        let evaluated = self.saved.filter(|(_, is_evaluated)| *is_evaluated).map(|(step, _)| step);
        let mut marks = Marks { step: now, checkpoint: now, evaluated };
        let outcome = loop {
            if interrupt::requested() {
                self.save(&mut marks, false)?;
                break Outcome::Interrupted(self.trainer.step());
            }
            let progress = block_on(self.trainer.advance())?;
            self.record(progress.events, &mut marks)?;
            if progress.finished {
                self.save(&mut marks, true)?;
                break Outcome::Finished;
            }
            if self.trainer.is_between_steps() && self.is_checkpoint_due(&marks) {
                self.save(&mut marks, false)?;
            }
        };
        self.screen.finish();
        Ok((outcome, self.summary))
    }

    fn record(&mut self, events: Vec<Event>, marks: &mut Marks) -> Result<(), Failure> {
        // Steps that were waited for together share the time.
        let n_steps = events.iter().filter(|event| matches!(event, Event::Step(_))).count();
        let seconds = marks.step.elapsed().as_secs_f64() / n_steps.max(1) as f64;
        for event in events {
            let line = event.to_json();
            self.summary.see(&event, &line);
            self.journal.metrics(&line)?;
            match &event {
                Event::Step(step) => {
                    self.journal.timing(step.step, seconds)?;
                    marks.step = Instant::now();
                }
                Event::Epoch(epoch) => {
                    marks.evaluated = Some(epoch.step);
                    marks.step = Instant::now();
                }
                Event::Layers(_) => {}
            }
            self.screen.show(&event, &line, self.summary.lamp());
        }
        Ok(())
    }

    fn is_checkpoint_due(&self, marks: &Marks) -> bool {
        let step = self.trainer.begun();
        match self.config.host.checkpoint_every {
            CheckpointEvery::Steps(steps) => step.is_multiple_of(steps),
            CheckpointEvery::Epochs(epochs) => {
                step.is_multiple_of(epochs.saturating_mul(self.trainer.steps_per_epoch()))
            }
            CheckpointEvery::Minutes(minutes) => {
                marks.checkpoint.elapsed() >= Duration::from_secs(minutes.saturating_mul(60))
            }
        }
    }

    /// Brings everything up to the last step that was begun to the disk: first the metrics, then the checkpoint.
    fn save(&mut self, marks: &mut Marks, is_finished: bool) -> Result<(), Failure> {
        let events = block_on(self.trainer.settle())?;
        self.record(events, marks)?;
        self.journal.sync()?;
        let step = self.trainer.step();
        let content = (step, marks.evaluated == Some(step));
        if step > 0 && (self.saved != Some(content) || is_finished) {
            let state = block_on(self.trainer.state())?;
            if self.saved != Some(content) {
                let checkpoints = Checkpoints::of(&self.folder);
                checkpoints.save(self.trainer.network(), &self.config.train, &state)?;
                self.saved = Some(content);
            }
            self.summary.see_state(&state);
            let progress = RunProgress {
                step,
                is_finished,
                steps_per_epoch: self.trainer.steps_per_epoch(),
                flip_bit: self.config.host.flip_bit.as_ref().map(ToString::to_string),
            };
            self.summary.write(&self.folder, &progress)?;
        }
        marks.step = Instant::now();
        marks.checkpoint = marks.step;
        Ok(())
    }
}

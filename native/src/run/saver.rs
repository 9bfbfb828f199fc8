//! Waits for the disk on a thread of its own, so that the step loop does not: it hands over new files, or a copy of the state
//! to be saved, and goes on. One save at a time; the next one waits for it, so that no more than one copy of the state is alive.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use lastbit_core::nets::Network;
use lastbit_core::train::{State, TrainConfig};

use super::checkpoint_manifest::Digest;
use super::checkpoints::Checkpoints;
use super::folder::Unsynced;
use super::journal::Syncer;
use super::summary::{RunProgress, Summary};
use crate::failure::Failure;

/// What is saved, in this order: the metrics, the checkpoint, the summary.
pub struct Save {
    /// The replicas.
    pub state: State,
    /// What the metrics are at that step; `None` if the checkpoint is there already.
    pub metrics: Option<Digest>,
    /// As of that step.
    pub summary: Summary,
    /// Where the run stands.
    pub progress: RunProgress,
}

/// What the thread works with.
pub struct Disk {
    /// The run folder.
    pub folder: PathBuf,
    /// Its checkpoints.
    pub checkpoints: Checkpoints,
    /// Its metrics.
    pub journal: Syncer,
    /// What is trained.
    pub network: Network,
    /// How.
    pub config: TrainConfig,
}

/// What the thread does.
enum Work {
    Sync(Vec<Unsynced>),
    Save(Box<Save>),
}

impl Disk {
    /// The summary, if that is a save.
    fn finish(&self, work: Work) -> Result<Option<Summary>, Failure> {
        match work {
            Work::Sync(files) => files.into_iter().try_for_each(Unsynced::sync).map(|()| None),
            Work::Save(save) => self.save(*save).map(Some),
        }
    }

    fn save(&self, save: Save) -> Result<Summary, Failure> {
        let Save { state, metrics, mut summary, progress } = save;
        let _span = tracing::info_span!("save", step = state.step).entered();
        self.journal.sync()?;
        if let Some(metrics) = metrics {
            self.checkpoints.save(&self.network, &self.config, &state, metrics)?;
            tracing::info!("checkpoint written");
        }
        summary.see_state(&state);
        summary.write(&self.folder, &progress)?;
        Ok(summary)
    }
}

/// The thread.
pub struct Saver {
    work: Option<Sender<Work>>,
    done: Receiver<Result<Option<Summary>, Failure>>,
    thread: Option<JoinHandle<()>>,
    /// Works that are handed over and not yet known to be done.
    n_pending: usize,
}

impl Saver {
    /// Starts the thread.
    pub fn new(disk: Disk) -> Self {
        let (work, todo) = channel();
        let (tell, done) = channel();
        let thread = std::thread::spawn(move || {
            for work in todo {
                // Nobody listens any more when the run has failed meanwhile.
                let _ = tell.send(disk.finish(work));
            }
        });
        Self { work: Some(work), done, thread: Some(thread), n_pending: 0 }
    }

    /// Has files brought to the disk.
    pub fn sync(&mut self, files: Vec<Unsynced>) -> Result<(), Failure> {
        self.hand_over(Work::Sync(files))
    }

    /// Hands a save over, after the one before is done. Returns that one's summary.
    pub fn save(&mut self, save: Save) -> Result<Option<Summary>, Failure> {
        let before = self.wait()?;
        self.hand_over(Work::Save(Box::new(save)))?;
        Ok(before)
    }

    fn hand_over(&mut self, work: Work) -> Result<(), Failure> {
        let todo = self.work.as_ref().ok_or_else(gone)?;
        todo.send(work).map_err(|_| gone())?;
        self.n_pending += 1;
        Ok(())
    }

    /// The summary of a save that was done since the last call, or why something was not written.
    pub fn poll(&mut self) -> Result<Option<Summary>, Failure> {
        let mut saved = None;
        while self.n_pending > 0 {
            match self.done.try_recv() {
                Ok(result) => saved = self.see(result)?.or(saved),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(gone()),
            }
        }
        Ok(saved)
    }

    /// Waits until everything is on the disk.
    pub fn wait(&mut self) -> Result<Option<Summary>, Failure> {
        let mut saved = None;
        while self.n_pending > 0 {
            let result = self.done.recv().unwrap_or_else(|_| Err(gone()));
            saved = self.see(result)?.or(saved);
        }
        Ok(saved)
    }

    fn see(&mut self, result: Result<Option<Summary>, Failure>) -> Result<Option<Summary>, Failure> {
        self.n_pending -= 1;
        result
    }
}

fn gone() -> Failure {
    Failure::other("the thread that saves has ended: go on with --resume")
}

impl Drop for Saver {
    /// A save that was begun is finished, also when the run fails.
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

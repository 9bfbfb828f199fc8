//! A thread that waits for the disk, so that the step loop does not: the loop hands over new files, or a copy of the state, and
//! continues. There is one save at a time, and the next one waits for it, so that at most one copy of the state exists.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use lastbit_core::nets::Network;
use lastbit_core::train::{State, TrainConfig};

use super::checkpoint_manifest::Digest;
use super::checkpoints::Checkpoints;
use super::journal::Syncer;
use super::summary::{RunProgress, Summary};
use crate::failure::Failure;
use crate::files::Unsynced;

/// A save. It writes, in this order: the metrics, the checkpoint, the summary.
pub struct Save {
    /// The state of all replicas.
    pub state: State,
    /// Digest of the metrics up to the state's step; `None` if the checkpoint exists already.
    pub metrics: Option<Digest>,
    /// The summary up to that step.
    pub summary: Summary,
    /// How far the run is.
    pub progress: RunProgress,
}

/// What the thread writes to and with.
pub struct Disk {
    /// The run folder.
    pub folder: PathBuf,
    /// Its checkpoints.
    pub checkpoints: Checkpoints,
    /// Its metrics and timing.
    pub journal: Syncer,
    /// The network that is trained.
    pub network: Network,
    /// The training config.
    pub config: TrainConfig,
}

/// A piece of work for the thread.
enum Work {
    Sync(Vec<Unsynced>),
    Save(Box<Save>),
}

impl Disk {
    /// Does the work. Returns the summary of a save.
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
        summary.add_state(&state);
        summary.write(&self.folder, &progress)?;
        Ok(summary)
    }
}

/// The thread and its channels.
pub struct Saver {
    work: Option<Sender<Work>>,
    done: Receiver<Result<Option<Summary>, Failure>>,
    thread: Option<JoinHandle<()>>,
    /// Number of pieces of work that are handed over and not yet known to be done.
    n_pending: usize,
}

impl Saver {
    /// Starts the thread.
    pub fn new(disk: Disk) -> Self {
        let (work, todo) = channel();
        let (results, done) = channel();
        let thread = std::thread::spawn(move || {
            for work in todo {
                // If the run has failed meanwhile, nobody receives the result.
                let _ = results.send(disk.finish(work));
            }
        });
        Self { work: Some(work), done, thread: Some(thread), n_pending: 0 }
    }

    /// Syncs files, on the thread.
    pub fn sync(&mut self, files: Vec<Unsynced>) -> Result<(), Failure> {
        self.hand_over(Work::Sync(files))
    }

    /// Waits for the save before, and hands this one over. Returns the summary of the save before.
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

    /// The summary of a save that ended since the last call, or the failure of a write. Does not wait.
    pub fn poll(&mut self) -> Result<Option<Summary>, Failure> {
        let mut saved = None;
        while self.n_pending > 0 {
            match self.done.try_recv() {
                Ok(result) => saved = self.receive(result)?.or(saved),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(gone()),
            }
        }
        Ok(saved)
    }

    /// Waits until everything is on the disk. Returns the summary of a save that ended since the last call.
    pub fn wait(&mut self) -> Result<Option<Summary>, Failure> {
        let mut saved = None;
        while self.n_pending > 0 {
            let result = self.done.recv().unwrap_or_else(|_| Err(gone()));
            saved = self.receive(result)?.or(saved);
        }
        Ok(saved)
    }

    fn receive(&mut self, result: Result<Option<Summary>, Failure>) -> Result<Option<Summary>, Failure> {
        self.n_pending -= 1;
        result
    }
}

fn gone() -> Failure {
    Failure::other("the thread that saves has ended: continue with --resume")
}

impl Drop for Saver {
    /// Finishes the save under way, even if the run fails.
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

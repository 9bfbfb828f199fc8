//! Saves on a thread of its own, so that the step loop waits for no disk: it hands over a copy of the state and goes on.
//! One save at a time; the next one waits for it, so that no more than one copy of the state is alive.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use lastbit_core::nets::Network;
use lastbit_core::train::{State, TrainConfig};

use super::checkpoint_manifest::Digest;
use super::checkpoints::Checkpoints;
use super::first_files::FirstFiles;
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
    SyncFirstFiles,
    Save(Box<Save>),
}

impl Disk {
    fn write(&self, save: Save) -> Result<Summary, Failure> {
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
    done: Receiver<Result<Summary, Failure>>,
    thread: Option<JoinHandle<()>>,
    is_busy: bool,
}

impl Saver {
    /// Starts the thread.
    pub fn new(disk: Disk) -> Self {
        let (work, todo) = channel();
        let (tell, done) = channel();
        let thread = std::thread::spawn(move || {
            let mut first_files = Ok(());
            for work in todo {
                match work {
                    Work::SyncFirstFiles => first_files = FirstFiles::sync(&disk.folder),
                    Work::Save(save) => {
                        let saved = std::mem::replace(&mut first_files, Ok(())).and_then(|()| disk.write(*save));
                        // Nobody listens any more when the run has failed meanwhile.
                        let _ = tell.send(saved);
                    }
                }
            }
        });
        Self { work: Some(work), done, thread: Some(thread), is_busy: false }
    }

    /// Has the files that the folder begins with brought to the disk. The next save tells if that failed.
    pub fn sync_first_files(&mut self) -> Result<(), Failure> {
        if self.hand_over(Work::SyncFirstFiles) { Ok(()) } else { Err(gone()) }
    }

    fn hand_over(&self, work: Work) -> bool {
        self.work.as_ref().is_some_and(|todo| todo.send(work).is_ok())
    }

    /// Hands a save over, after the one before is done. Returns that one's summary.
    pub fn save(&mut self, save: Save) -> Result<Option<Summary>, Failure> {
        let before = self.wait()?;
        self.is_busy = self.hand_over(Work::Save(Box::new(save)));
        if self.is_busy { Ok(before) } else { Err(gone()) }
    }

    /// The summary of a save that was done since the last call, or why it failed.
    pub fn poll(&mut self) -> Result<Option<Summary>, Failure> {
        if !self.is_busy {
            return Ok(None);
        }
        match self.done.try_recv() {
            Ok(result) => {
                self.is_busy = false;
                result.map(Some)
            }
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(gone()),
        }
    }

    /// Waits until everything is on the disk.
    pub fn wait(&mut self) -> Result<Option<Summary>, Failure> {
        if !self.is_busy {
            return Ok(None);
        }
        self.is_busy = false;
        self.done.recv().unwrap_or_else(|_| Err(gone())).map(Some)
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

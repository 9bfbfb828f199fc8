//! `checkpoint/step-000120/`: complete or not there at all. The last two are kept, so that a damaged one costs little.

use std::fs;
use std::path::{Path, PathBuf};

use lastbit_core::nets::Network;
use lastbit_core::train::checkpoint::{CheckpointError, decode_state, encode_state};
use lastbit_core::train::{State, TrainConfig};

use super::folder::{RunFolder, sync_folder, write_synced};
use crate::failure::Failure;

const FOLDER: &str = "checkpoint";
/// Complete checkpoints that stay.
const KEPT: usize = 2;

/// The checkpoints of a run.
pub struct Checkpoints {
    folder: PathBuf,
}

/// A checkpoint that is whole, and what is wrong with newer ones.
pub struct Recovered {
    /// Where the run stopped.
    pub state: Option<State>,
    /// One line for each newer checkpoint that cannot be used.
    pub damaged: Vec<String>,
}

fn steps_in(folder: &Path) -> Vec<u64> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut steps: Vec<u64> = names.filter_map(|name| name.strip_prefix("step-")?.parse().ok()).collect();
    steps.sort_unstable_by(|a, b| b.cmp(a));
    steps
}

/// Step and folder of each checkpoint of the run in `run`, newest first, to be looked at without claiming the run.
pub fn checkpoint_folders(run: &Path) -> Vec<(u64, PathBuf)> {
    let folder = run.join(FOLDER);
    steps_in(&folder).into_iter().map(|step| (step, folder.join(format!("step-{step:06}")))).collect()
}

impl Checkpoints {
    /// Those in a run folder.
    pub fn of(run: &RunFolder) -> Self {
        Self { folder: run.file(FOLDER) }
    }

    fn named(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:06}"))
    }

    fn temporary(&self, step: u64, what: &str) -> PathBuf {
        self.folder.join(format!(".step-{step:06}.{what}"))
    }

    /// Steps with a checkpoint, newest first.
    fn steps(&self) -> Vec<u64> {
        steps_in(&self.folder)
    }

    /// Saves `state`, then removes what is older than the last two.
    pub fn save(&self, network: &Network, config: &TrainConfig, state: &State) -> Result<(), Failure> {
        let (path, new) = (self.named(state.step), self.temporary(state.step, "tmp"));
        let written = || -> std::io::Result<()> {
            if new.exists() {
                fs::remove_dir_all(&new)?;
            }
            fs::create_dir_all(&new)?;
            for (name, bytes) in encode_state(network, config, state) {
                write_synced(&new.join(name), &bytes)?;
            }
            sync_folder(&new);
            let old = self.temporary(state.step, "old");
            if path.exists() {
                fs::rename(&path, &old)?;
            }
            fs::rename(&new, &path)?;
            sync_folder(&self.folder);
            if old.exists() {
                fs::remove_dir_all(&old)?;
            }
            Ok(())
        };
        written().map_err(|error| {
            let _ = fs::remove_dir_all(&new);
            Failure::file("save the checkpoint", &path, &error)
        })?;
        self.prune(state.step);
        Ok(())
    }

    /// Removes what is not among the last [`KEPT`] up to `newest`. Later ones were found damaged when the run went on.
    /// What cannot be removed does no harm.
    fn prune(&self, newest: u64) {
        let (good, bad): (Vec<u64>, Vec<u64>) = self.steps().into_iter().partition(|step| *step <= newest);
        for step in good.into_iter().skip(KEPT).chain(bad) {
            let _ = fs::remove_dir_all(self.named(step));
        }
    }

    /// The newest whole checkpoint of at most `last_step` steps.
    pub fn recover(&self, network: &Network, config: &TrainConfig, last_step: u64) -> Recovered {
        self.finish_replacements();
        let mut damaged = Vec::new();
        for step in self.steps() {
            let folder = self.named(step);
            if step > last_step {
                damaged
                    .push(format!("'{}' is ahead of metrics.jsonl, which ends at step {last_step}", folder.display()));
                continue;
            }
            let read = |name: &str| {
                fs::read(folder.join(name)).map_err(|error| CheckpointError::Content {
                    file: name.to_owned(),
                    problem: format!("cannot be read ({error})"),
                })
            };
            match decode_state(network, config, read) {
                Ok(state) if state.step == step => return Recovered { state: Some(state), damaged },
                Ok(state) => damaged.push(format!("'{}' holds step {}", folder.display(), state.step)),
                Err(error) => damaged.push(format!("'{}' is damaged: {error}", folder.display())),
            }
        }
        Recovered { state: None, damaged }
    }

    /// Puts a checkpoint back that was to be replaced when the program ended.
    fn finish_replacements(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().unwrap_or_default();
            if let Some(kept) = name.strip_prefix('.').and_then(|name| name.strip_suffix(".old")) {
                let target = self.folder.join(kept);
                if !target.exists() {
                    let _ = fs::rename(entry.path(), target);
                }
            }
        }
    }
}

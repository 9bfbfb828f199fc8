//! Checkpoints, `checkpoint/step-000120/`: each is complete or absent, and has the SHA-256 of every file. The last few are kept, so
//! that a damaged one costs little.

use std::fs;
use std::path::{Path, PathBuf};

use lastbit_core::nets::Network;
use lastbit_core::train::checkpoint::{CheckpointError, decode_state, encode_state};
use lastbit_core::train::{State, TrainConfig};

use super::checkpoint_manifest::{CheckpointManifest, Digest, MANIFEST_FILE};
use super::folder::RunFolder;
use super::journal::Journal;
use super::layout::CHECKPOINTS_FOLDER;
use crate::failure::Failure;
use crate::files::{sync_folder, write_synced};

/// Bytes that a file may have beside its numbers, for names, shapes and counters.
const MOST_BESIDE_NUMBERS: u64 = 16 << 20;

/// The checkpoints of a run.
pub struct Checkpoints {
    folder: PathBuf,
    /// Number of complete checkpoints to keep.
    kept: usize,
}

/// The newest checkpoint that can be used, and what is wrong with newer ones.
pub struct Recovered {
    /// State of the checkpoint; `None` if there is none.
    pub state: Option<State>,
    /// Length in bytes of the metrics that the checkpoint recorded.
    pub metrics_bytes: u64,
    /// One line for each newer checkpoint that cannot be used.
    pub damaged: Vec<String>,
}

/// Path of the checkpoint of `step` in the folder of all checkpoints.
fn path_of(folder: &Path, step: u64) -> PathBuf {
    folder.join(format!("step-{step:06}"))
}

/// Step and path of each checkpoint in the folder of all checkpoints, newest first.
fn list(folder: &Path) -> Vec<(u64, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut steps: Vec<u64> = names.filter_map(|name| name.strip_prefix("step-")?.parse().ok()).collect();
    steps.sort_unstable_by(|a, b| b.cmp(a));
    steps.into_iter().map(|step| (step, path_of(folder, step))).collect()
}

/// Step and folder of each checkpoint of the run in `run`, newest first. Does not claim the run.
pub fn checkpoint_folders(run: &Path) -> Vec<(u64, PathBuf)> {
    list(&run.join(CHECKPOINTS_FOLDER))
}

/// Reads state and manifest of the checkpoint in `folder`. The error says what is wrong with it.
pub fn read_checkpoint(
    folder: &Path,
    network: &Network,
    config: &TrainConfig,
) -> Result<(State, CheckpointManifest), String> {
    let manifest = CheckpointManifest::read(folder)?;
    // Each of the files holds less than all numbers of all replicas.
    let most = 16 * network.parameter_count() * config.ks.len() as u64 + MOST_BESIDE_NUMBERS;
    let read = |name: &str| {
        let bytes = manifest.read_file(folder, name, most);
        bytes.map_err(|problem| CheckpointError::Content { file: name.to_owned(), problem })
    };
    let state = decode_state(network, config, read).map_err(|error| error.to_string())?;
    if state.step != manifest.step {
        return Err(format!("holds step {}", state.step));
    }
    Ok((state, manifest))
}

impl Checkpoints {
    /// The checkpoints of a run folder. The newest `kept` of them stay.
    pub fn of(run: &RunFolder, kept: usize) -> Self {
        Self { folder: run.file(CHECKPOINTS_FOLDER), kept: kept.max(1) }
    }

    fn temporary(&self, step: u64, what: &str) -> PathBuf {
        self.folder.join(format!(".step-{step:06}.{what}"))
    }

    /// Saves `state` with the digest of the metrics up to its step, then removes old checkpoints.
    pub fn save(&self, network: &Network, config: &TrainConfig, state: &State, metrics: Digest) -> Result<(), Failure> {
        let (path, new) = (path_of(&self.folder, state.step), self.temporary(state.step, "tmp"));
        let written = || -> std::io::Result<()> {
            if new.exists() {
                fs::remove_dir_all(&new)?;
            }
            fs::create_dir_all(&new)?;
            let files = encode_state(network, config, state);
            for (name, bytes) in &files {
                write_synced(&new.join(name), bytes)?;
            }
            let manifest = CheckpointManifest::new(state.step, metrics, &files);
            write_synced(&new.join(MANIFEST_FILE), manifest.to_text().as_bytes())?;
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

    /// Removes all but the last few checkpoints up to `newest`. Later ones were found damaged when the run resumed, and go, too. A
    /// checkpoint that cannot be removed does no harm.
    fn prune(&self, newest: u64) {
        let (good, bad): (Vec<_>, Vec<_>) = list(&self.folder).into_iter().partition(|(step, _)| *step <= newest);
        for (_, path) in good.into_iter().skip(self.kept).chain(bad) {
            let _ = fs::remove_dir_all(path);
        }
    }

    /// Finds the newest whole checkpoint whose metrics are there.
    pub fn recover(&self, network: &Network, config: &TrainConfig, journal: &mut Journal) -> Recovered {
        self.finish_replacements();
        let mut damaged = Vec::new();
        for (step, folder) in list(&self.folder) {
            let mut read = || -> Result<(State, u64), String> {
                let (state, manifest) = read_checkpoint(&folder, network, config)?;
                if state.step != step {
                    return Err(format!("it holds step {}", state.step));
                }
                journal.check(&manifest.metrics)?;
                Ok((state, manifest.metrics.bytes))
            };
            match read() {
                Ok((state, metrics_bytes)) => return Recovered { state: Some(state), metrics_bytes, damaged },
                Err(problem) => damaged.push(format!("'{}' cannot be used: {problem}", folder.display())),
            }
        }
        Recovered { state: None, metrics_bytes: 0, damaged }
    }

    /// Restores a checkpoint that was being replaced when the program ended, and removes incomplete ones.
    fn finish_replacements(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().unwrap_or_default();
            let Some(hidden) = name.strip_prefix(".step-") else { continue };
            let target = hidden.strip_suffix(".old").map(|step| self.folder.join(format!("step-{step}")));
            match target.filter(|target| !target.exists()) {
                Some(target) => {
                    let _ = fs::rename(entry.path(), target);
                }
                None => {
                    let _ = fs::remove_dir_all(entry.path());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

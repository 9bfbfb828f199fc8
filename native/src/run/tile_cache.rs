//! The quickest tiles on this machine's adapters, kept in the user's data folder: one file for each adapter, driver, network, batch,
//! number of replicas at once, and list of candidates. Tiles change no bit of a result, so an unreadable file counts as missing.

use std::path::{Path, PathBuf};

use lastbit_core::bench::tune::{self, Choice};
use sha2::{Digest as _, Sha256};

use super::environment::Environment;
use crate::datasets;
use crate::failure::Failure;
use crate::files::{create_folder, replace_file};

/// Path of the file for this number of replicas and samples; `None` without a user folder.
pub fn path(environment: &Environment, (replicas, samples): (u32, u32)) -> Option<PathBuf> {
    let from = tune::identity();
    let digest = format!("{:x}", Sha256::digest(format!("{environment:?} {replicas} {samples} {from}")));
    Some(datasets::user_folder()?.join("tiles").join(format!("{}.json", &digest[..16])))
}

/// The tiles in the file at `path`.
pub fn read(path: &Path) -> Option<Vec<Choice>> {
    let choices: Vec<Choice> = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    choices.iter().all(|choice| tune::is_candidate(choice.tile)).then_some(choices)
}

/// Writes the tiles.
pub fn write(path: &Path, choices: &[Choice]) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    replace_file(path, &serde_json::to_vec_pretty(choices).map_err(Failure::other)?)
}

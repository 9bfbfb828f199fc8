//! The quickest tiles on this machine's adapters, kept in the user's data folder: one file for each adapter, driver, network, batch,
//! number of replicas at once, and list of candidates. Tiles change no bit of a result, so an unreadable file counts as missing.

use std::fs;
use std::path::{Path, PathBuf};

use lastbit_core::bench::tune::{self, Choice};
use lastbit_core::device::Context;
use lastbit_core::ops::Tiles;
use sha2::{Digest as _, Sha256};

use super::environment::Environment;
use crate::datasets;
use crate::failure::Failure;
use crate::files::{create_folder, replace_file};

/// Folder of the files, in the user's data folder.
const FOLDER: &str = "tiles";
/// Most files whose tiles a certificate checks.
const MOST_KNOWN: usize = 4;

/// Path of the file for this number of replicas and samples; `None` without a user folder.
pub fn path(environment: &Environment, (replicas, samples): (u32, u32)) -> Option<PathBuf> {
    let from = tune::identity();
    let digest = format!("{:x}", Sha256::digest(format!("{environment:?} {replicas} {samples} {from}")));
    Some(datasets::user_folder()?.join(FOLDER).join(format!("{}.json", &digest[..16])))
}

/// The tiles in the file at `path`.
pub fn read(path: &Path) -> Option<Vec<Choice>> {
    let choices: Vec<Choice> = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    choices.iter().all(|choice| tune::is_candidate(choice.tile)).then_some(choices)
}

/// The tiles in the newest files, of whatever adapter, network and batch: at most [`MOST_KNOWN`] of them.
pub fn known_tiles(context: &Context) -> Vec<Tiles> {
    let folder = datasets::user_folder().map(|folder| folder.join(FOLDER));
    let entries = folder.and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let mut files: Vec<_> =
        entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
    files.sort();
    let known = files.iter().rev().filter_map(|(_, path)| read(path));
    known.take(MOST_KNOWN).map(|choices| tune::tiles(context, &choices)).collect()
}

/// Writes the tiles.
pub fn write(path: &Path, choices: &[Choice]) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    replace_file(path, &serde_json::to_vec_pretty(choices).map_err(Failure::other)?)
}

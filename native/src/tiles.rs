//! The quickest tiles on this machine's adapters, kept in the user's data folder: one file for each adapter, driver, network, batch,
//! number of replicas at once, and list of candidates. Tiles change no bit of a result, so an unreadable file counts as missing.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use lastbit_core::bench::tune::{self, Choice, Search};
use lastbit_core::device::Family;
use lastbit_core::train::RecordingKind;
use pollster::block_on;
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;
use crate::run::{Environment, Prepared, replace_file};
use crate::{datasets, interrupt};

/// Path of the file for this number of replicas and samples; `None` without a user folder.
fn file(environment: &Environment, (replicas, samples): (u32, u32)) -> Option<PathBuf> {
    let from = tune::identity();
    let digest = format!("{:x}", Sha256::digest(format!("{environment:?} {replicas} {samples} {from}")));
    Some(datasets::user_folder()?.join("tiles").join(format!("{}.json", &digest[..16])))
}

fn read(path: &Path) -> Option<Vec<Choice>> {
    let choices: Vec<Choice> = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    choices.iter().all(|choice| tune::is_candidate(choice.tile)).then_some(choices)
}

impl Prepared {
    fn tiles_file(&self) -> Option<PathBuf> {
        let sizes = self.tile_sizes();
        file(&self.environment(), sizes)
    }

    /// Number of replicas that are computed at once, and of samples in a batch.
    pub fn tile_sizes(&self) -> (u32, u32) {
        let replicas = self.plan.chunks.first().map_or(1, |chunk| chunk.replicas.len());
        (replicas as u32, self.config.train.batch_size)
    }

    /// Uses tiles that an earlier search kept, and returns whether there are any. An adapter that failed the self-test gets the
    /// default tiles.
    pub(crate) fn take_kept_tiles(&mut self) -> bool {
        let kept = if self.is_broken() { None } else { self.tiles_file().and_then(|path| read(&path)) };
        let is_kept = kept.is_some();
        self.tiles = kept.map(|choices| tune::tiles(&self.context, &choices));
        is_kept
    }

    /// Finds the quickest tiles, uses them and keeps them. Calls `tell` with each choice. Returns the file's path; `None` without a
    /// user folder.
    pub fn tune(&mut self, mut tell: impl FnMut(&Choice)) -> Result<Option<PathBuf>, Failure> {
        self.images.wait();
        let sizes = self.tile_sizes();
        let tell = |choice: &Choice| {
            tell(choice);
            if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let choices = block_on(tune::tune(&self.context, &self.plan.network, sizes, Search::on(&self.context), tell))?;
        if interrupt::requested() {
            return Err(Failure::interrupted("stopped before all tiles were found"));
        }
        self.tiles = Some(tune::tiles(&self.context, &choices));
        let Some(path) = self.tiles_file() else { return Ok(None) };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Failure::file("create the folder", folder, &error))?;
        }
        let text = serde_json::to_vec_pretty(&choices).map_err(Failure::other)?;
        replace_file(&path, &text)?;
        Ok(Some(path))
    }

    /// Finds the quickest tiles for a long run on a GPU, unless they are known. A software GPU would compile for seconds, and then run
    /// hardly faster. Calls `tell` before the search. A failure is logged and does not end the run.
    pub fn tune_for_long_run(&mut self, tell: impl FnOnce()) {
        /// Two searches at a time would disturb each other's timings and write the same file.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        if self.context.adapter().family != Family::Gpu || self.is_broken() {
            return;
        }
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if self.take_kept_tiles() {
            return;
        }
        let samples = self.config.train.batch_size;
        let operations = self.plan.flops(|chunk| RecordingKind::Train(chunk, samples));
        if self.forecast().is_long(operations) {
            tell();
            if let Err(failure) = self.tune(|_| {}) {
                tracing::warn!(%failure, "tiles are not tuned, or not kept for the next run");
            }
        }
    }
}

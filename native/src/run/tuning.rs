//! The search for the quickest tiles of a run's convolutions.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;

use lastbit_core::bench::tune::{self, Choice, Search};
use lastbit_core::device::Family;
use pollster::block_on;

use super::prepared::Prepared;
use super::tile_cache;
use crate::failure::Failure;
use crate::interrupt;

impl Prepared {
    /// Finds the quickest tiles, uses them and keeps them. Calls `report` with each choice. Returns the file's path; `None` without a
    /// user folder.
    pub fn tune(&mut self, mut report: impl FnMut(&Choice)) -> Result<Option<PathBuf>, Failure> {
        self.images.wait();
        let sizes = self.tile_sizes();
        let report = |choice: &Choice| {
            report(choice);
            if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let choices =
            block_on(tune::tune(&self.context, &self.plan.network, sizes, Search::on(&self.context), report))?;
        if interrupt::requested() {
            return Err(interrupt::stopped("stopped before all tiles were found"));
        }
        self.tiles = Some(tune::tiles(&self.context, &choices));
        let Some(path) = self.tiles_file() else { return Ok(None) };
        tile_cache::write(&path, &choices)?;
        Ok(Some(path))
    }

    /// Finds the quickest tiles for a long run on a GPU, unless they are known. A software GPU would compile for seconds, and then run
    /// hardly faster. Calls `report` before the search. A failure is logged and does not end the run.
    pub fn tune_for_long_run(&mut self, report: impl FnOnce()) {
        /// Two searches at a time would disturb each other's timings and write the same file.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        if self.context.adapter().family != Family::Gpu || self.is_broken() {
            return;
        }
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if self.load_tuned_tiles() {
            return;
        }
        if self.forecast().is_long() {
            report();
            if let Err(failure) = self.tune(|_| {}) {
                tracing::warn!(%failure, "tiles are not tuned, or not kept for the next run");
            }
        }
    }
}

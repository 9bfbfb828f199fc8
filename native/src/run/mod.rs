//! A run on disk (DESIGN section 4): its folder and what is in it, and the loop that fills it.

mod checkpoints;
mod folder;
mod journal;
mod lamp;
mod manifest;
mod opening;
mod session;
mod summary;

pub use checkpoints::checkpoint_folders;
pub use folder::{CONFIG_FILE, Contents, INIT_FILE, METRICS_FILE, RunFolder, TIMING_FILE, inspect, replace_file};
pub use lamp::Lamp;
pub use opening::Prepared;
pub use session::Outcome;
pub use summary::{Summary, finished_step};

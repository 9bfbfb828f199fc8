//! A run on disk (DESIGN section 4): its folder and what is in it, and the loop that fills it.

mod checkpoints;
mod folder;
mod journal;
mod lamp;
mod manifest;
mod session;
mod summary;

pub use checkpoints::{Checkpoints, checkpoint_folders};
pub use folder::{Contents, INIT_FILE, METRICS_FILE, RunFolder, inspect, replace_file};
pub use journal::Journal;
pub use lamp::Lamp;
pub use manifest::Manifest;
pub use session::{Outcome, Session};
pub use summary::{Summary, finished_step};

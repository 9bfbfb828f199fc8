//! A run on disk (docs/RULES.md, "A run folder"): its folder, its files, and the loop that writes them.

mod checkpoint_manifest;
mod checkpoints;
mod first_files;
mod folder;
mod journal;
mod lamp;
mod manifest;
mod opening;
mod record;
mod saver;
mod session;
mod summary;

pub use checkpoint_manifest::CheckpointManifest;
pub use checkpoints::{checkpoint_folders, read_checkpoint};
pub use folder::{
    CONFIG_FILE, Contents, INIT_FILE, METRICS_FILE, PARTS_FILE, REPRODUCTION_FILE, RunFolder, TIMING_FILE, inspect,
    is_in_parts, read_config, replace_file,
};
pub use lamp::Lamp;
pub use manifest::{Environment, Found, Manifest, OnChange};
pub use opening::{Hooks, Prepared, initial_weights};
pub use record::{problems, whole_finished_step};
pub use session::Outcome;
pub use summary::{Summary, finished_step, parse_summary};

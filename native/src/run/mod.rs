//! A run on disk (docs/RULES.md, "A run folder"): its folder, its files, and the loop that writes them.

mod checkpoint_manifest;
mod checkpoints;
mod ends;
mod environment;
mod first_files;
mod folder;
mod integrity;
mod journal;
mod layout;
mod logits;
mod manifest;
mod null;
mod open;
mod prepared;
mod saver;
mod seal;
mod session;
mod summary;
mod tensorboard;
mod tile_cache;
mod tuning;

pub use checkpoint_manifest::CheckpointManifest;
pub use checkpoints::{checkpoint_folders, read_checkpoint};
pub use ends::{EndsNetwork, EndsPair, EndsRecord, ImageCounts, TensorRow};
pub use environment::{Environment, Promise};
pub use folder::{Contents, RunFolder, inspect, is_in_parts, read_config};
pub use integrity::{problems, whole_finished_step};
pub use layout::{
    CONFIG_FILE, ENDS_FILE, INIT_FILE, LOCK_FILE, LOGITS_FOLDER, METRICS_FILE, MOST_LINE_BYTES, PARTS_FILE,
    REPORT_FILE, REPRODUCTION_FILE, RUNS_FOLDER, TIMING_FILE,
};
pub use logits::{read_logits, write_logits};
pub use manifest::{Found, Manifest, OnChange};
pub use null::{or_nan, or_nans};
pub use prepared::{Hooks, Prepared, initial_weights};
pub use session::Outcome;
pub use summary::{Summary, finished_step, parse_summary, summary_json};
pub use tile_cache::known_tiles;

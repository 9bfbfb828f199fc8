//! Names of the files and folders in a run folder.

/// The config of a run: everything needed to train it again.
pub const CONFIG_FILE: &str = "config.toml";
/// The config of a run in parts, as if it were one run, with the list of its adapters.
pub const PARTS_FILE: &str = "parts.toml";
/// The flags of a reproduction.
pub const REPRODUCTION_FILE: &str = "reproduce.toml";
/// Program, config, data and adapter: everything that may change the bits of the run.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Folder of the runs of a reproduction.
pub const RUNS_FOLDER: &str = "runs";
/// Weights that the run began with, before `nextafter` moved one.
pub const INIT_FILE: &str = "init.safetensors";
/// The metrics, one JSON object a line.
pub const METRICS_FILE: &str = "metrics.jsonl";
/// The seconds of each step, one JSON object a line.
pub const TIMING_FILE: &str = "timing.jsonl";
/// Longest line of these two files that is read. A run of any network writes shorter ones.
pub const MOST_LINE_BYTES: u64 = 1 << 20;
/// How far the run came, and its last numbers.
pub const SUMMARY_FILE: &str = "summary.json";
/// The networks at the end, compared with each other.
pub const ENDS_FILE: &str = "ends.json";
/// Folder of the logits that evaluations keep.
pub const LOGITS_FOLDER: &str = "logits";
/// The page of the run.
pub const REPORT_FILE: &str = "report.html";
/// Folder of the checkpoints.
pub const CHECKPOINTS_FOLDER: &str = "checkpoint";
/// Folder of the event files for TensorBoard.
pub const TENSORBOARD_FOLDER: &str = "tensorboard";
/// Locked while a process writes to the folder. The metrics themselves are not locked: on Windows, a lock would keep others from
/// reading them.
pub const LOCK_FILE: &str = ".lock";

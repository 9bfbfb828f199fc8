//! The flags of `train`, and the config of the run that they describe.

use std::path::{Path, PathBuf};

use clap::Args;
use lastbit_core::train::self_test::Check;
use toml::Table;

use crate::device_test::parse_check;
use crate::failure::Failure;
use crate::progress::OutputMode;
use crate::run::{CONFIG_FILE, Contents, Hooks, OnChange, PARTS_FILE, REPRODUCTION_FILE, is_in_parts};
use crate::run_config::{CONFIG_FLAG, RunConfig};
use crate::train_flags::RunFlags;
use crate::value_parsers::{listed, whole};

/// Flags of `train`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Flags of the run.
    #[command(flatten)]
    pub run: RunFlags,
    /// Train on several adapters at the same time, each named as in --adapter. Each trains the first k and its share of the
    /// others, as an ordinary run in OUT/part-0, OUT/part-1, ...; an adapter may be given twice
    #[arg(long, value_name = "ADAPTER,ADAPTER,...", value_delimiter = ',', value_parser = listed::<String>, conflicts_with_all = ["adapter", "json"])]
    pub adapters: Option<Vec<String>>,
    /// TOML file with a run's config; flags override it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Run folder to create
    #[arg(long, value_name = "FOLDER", required_unless_present = "dry_run")]
    pub out: Option<PathBuf>,
    /// Resume the run in --out from its last good checkpoint; if there is no run, begin the one that the flags describe
    #[arg(long)]
    pub resume: bool,
    /// With --resume: continue even if shaders, driver or adapter have changed since the run was made, and start again
    /// if no checkpoint can be used
    #[arg(long, requires = "resume")]
    allow_changed: bool,
    /// Print the plan with an estimate of memory and time, and stop
    #[arg(long)]
    dry_run: bool,
    /// Print only warnings and errors
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// Print only JSON on standard output: the lines of metrics.jsonl, then how the run ended
    #[arg(long)]
    pub json: bool,
    /// Bytes of the adapter's memory that may be used in total
    #[arg(long, value_name = "BYTES", hide = true, allow_negative_numbers = true, value_parser = whole::<u64>)]
    memory_budget: Option<u64>,
    /// Make a check of the self-test fail
    #[arg(long, value_name = "CHECK", hide = true, value_parser = parse_check)]
    break_device: Option<Check>,
    /// Destroy the device after a step
    #[arg(long, value_name = "STEP", hide = true, allow_negative_numbers = true, value_parser = whole::<u64>)]
    lose_device: Option<u64>,
}

impl Arguments {
    /// The run folder; `None` with `--dry-run`, which touches none.
    pub fn folder(&self) -> Option<&Path> {
        self.out.as_deref().filter(|_| !self.dry_run)
    }

    /// What to print.
    pub fn output(&self) -> OutputMode {
        match (self.json, self.quiet) {
            (true, _) => OutputMode::Json,
            (_, true) => OutputMode::Quiet,
            _ => OutputMode::Text,
        }
    }

    /// What to do if something that may change bits has changed.
    pub fn on_change(&self) -> OnChange {
        if self.allow_changed { OnChange::Allow } else { OnChange::Refuse }
    }

    /// Limits and faults for tests.
    pub fn hooks(&self) -> Hooks {
        Hooks { memory_budget: self.memory_budget, break_device: self.break_device, lose_device: self.lose_device }
    }
}

/// The config of a run to begin. `resumed` is the folder of `--resume`, if that holds no run. Missing keys have their defaults; but with
/// `--resume` and no key that says what to train, that would be days of a run that nobody meant.
pub fn new_run(given: &Table, resumed: Option<&Path>) -> Result<RunConfig, Failure> {
    match resumed {
        Some(folder) if given.keys().all(|key| RunConfig::is_free(key)) => Err(Failure::usage(format!(
            "--resume: '{}' holds no run: give the folder of a run, or the flags of a new one (for the default run, leave out \
             --resume)",
            folder.display()
        ))),
        _ => RunConfig::from_table(given, CONFIG_FLAG),
    }
}

/// The failure of a folder that holds something else than the run.
pub fn occupied(contents: &Contents, folder: &Path) -> Failure {
    let out = folder.display();
    Failure::usage(match contents {
        _ if is_in_parts(folder) => {
            format!(
                "--out: '{out}' already holds a run in parts: add --adapters and --resume to continue it, or give another folder"
            )
        }
        Contents::Run(_) => {
            format!("--out: '{out}' already holds a run: add --resume to continue it, or give another folder")
        }
        _ if folder.join(REPRODUCTION_FILE).exists() => {
            format!("--out: '{out}' holds a reproduction: give another folder")
        }
        Contents::Remains(name) => format!(
            "--out: '{out}' holds '{name}', as a run does, but no {CONFIG_FILE} or {PARTS_FILE} that says which run it is: restore \
             that file, or give another folder"
        ),
        Contents::Nothing => format!("--out: '{out}' holds no run: give another folder"),
    })
}

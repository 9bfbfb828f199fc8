//! The runs that a folder holds: one, the parts of one, or those of a reproduction.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::run::{CONFIG_FILE, REPRODUCTION_FILE, RUNS_FOLDER, is_in_parts, read_config};
use crate::run_config::RunConfig;

/// A run.
pub struct Source {
    /// Name of the run's folder.
    pub name: String,
    /// The run's folder.
    pub folder: PathBuf,
    /// Its config.
    pub config: RunConfig,
}

/// The runs of a folder.
pub struct Sources {
    /// The runs, by name; parts by number.
    pub runs: Vec<Source>,
    /// True if the folder is made for several runs, so that rows name theirs.
    pub is_named: bool,
}

impl Sources {
    /// Finds the runs in `folder`.
    pub fn find(folder: &Path) -> Result<Self, Failure> {
        let is_run = |path: &PathBuf| path.join(CONFIG_FILE).is_file();
        if is_in_parts(folder) {
            let parts = (0..).map(|index| folder.join(format!("part-{index}")));
            return Self::several(folder, parts.take_while(is_run).collect(), "no part has begun: train it first");
        }
        if folder.join(REPRODUCTION_FILE).is_file() {
            let entries = fs::read_dir(folder.join(RUNS_FOLDER)).into_iter().flatten().flatten();
            let mut runs: Vec<_> = entries.map(|entry| entry.path()).filter(is_run).collect();
            runs.sort();
            return Self::several(folder, runs, "it has no run of a network: its numbers are in its *.csv files");
        }
        let run = Source { name: String::new(), config: read_config(folder)?, folder: folder.to_owned() };
        Ok(Self { runs: vec![run], is_named: false })
    }

    fn several(folder: &Path, runs: Vec<PathBuf>, none: &str) -> Result<Self, Failure> {
        if runs.is_empty() {
            return Err(Failure::usage(format!("'{}' has nothing to export: {none}", folder.display())));
        }
        let source = |folder: PathBuf| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(Source { name, config: read_config(&folder)?, folder })
        };
        Ok(Self { runs: runs.into_iter().map(source).collect::<Result<_, Failure>>()?, is_named: true })
    }
}

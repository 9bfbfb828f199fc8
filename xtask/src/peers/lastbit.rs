//! lastbit's own program on one of this machine's adapters.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::table::Adapter;
use crate::process;

/// The program with its adapter.
#[derive(Clone, Debug)]
pub struct Lastbit {
    program: PathBuf,
    /// The value of `--adapter`; `None` is lastbit's default, or the one in LASTBIT_ADAPTER.
    adapter: Option<String>,
}

impl Lastbit {
    pub fn new(program: &Path, adapter: Option<&str>) -> Self {
        Self { program: program.to_owned(), adapter: adapter.map(str::to_owned) }
    }

    /// `lastbit` with a verb that takes `--adapter`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = process::command(&self.program, arguments);
        command.args(self.adapter.iter().flat_map(|adapter| ["--adapter", adapter]));
        command
    }

    /// The adapter's name, driver and FMA rate, from `lastbit bench`.
    pub fn measure(&self) -> Result<Adapter> {
        let json =
            process::capture(&mut self.command(&["bench", "--filter", "fma", "--json"]), Duration::from_secs(300))?;
        serde_json::from_str(&json).context("cannot parse the output of `lastbit bench --json`")
    }

    /// Name and version, such as `lastbit 0.1.0`; empty if the program does not print them.
    pub fn version(&self) -> String {
        let version = process::capture(&mut process::command(&self.program, &["--version"]), Duration::from_secs(60));
        version.map(|version| version.trim().to_owned()).unwrap_or_default()
    }
}

//! A stage while it runs, in a process of its own: what it works with, and what it has found so far.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::images::Images;
use super::options::Options;
use super::{pack, results};
use crate::process;

/// What a stage has found so far, in a file that the runner reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notes {
    /// What was measured.
    pub values: Map<String, Value>,
    /// Why the stage is not done.
    pub message: Option<String>,
}

impl Notes {
    /// The file's path for a folder of work.
    pub fn path(work: &Path) -> PathBuf {
        work.join("stage.json")
    }

    /// Reads the file; nothing if it is not there yet.
    pub fn read(work: &Path) -> Self {
        let text = fs::read_to_string(Self::path(work)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }
}

/// An error that says what could not be done here, or had no time, while nothing is wrong.
#[derive(Debug)]
pub struct Incomplete(pub String);

impl std::fmt::Display for Incomplete {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Incomplete {}

/// A stage while it runs.
pub struct Trial {
    /// The flags of `hardware run`.
    pub options: Options,
    /// When the stage began.
    started: Instant,
    /// The time that it may take.
    pub limit: Duration,
    notes: Notes,
}

impl Trial {
    /// A stage that begins now.
    pub fn new(options: Options, limit: Duration) -> Self {
        Self { options, started: Instant::now(), limit, notes: Notes::default() }
    }

    /// Path of the program.
    pub fn program(&self) -> PathBuf {
        pack::program(&self.options.work)
    }

    /// `lastbit` with arguments. It uses the chosen adapter, which is in its environment.
    pub fn lastbit(&self, arguments: &[&str]) -> Command {
        process::command(self.program(), arguments)
    }

    /// The start of `lastbit train`, or of another verb that takes its flags: network, images, batch.
    pub fn training(&self, verb: &str, images: &Images) -> Command {
        let mut command = self.lastbit(&[verb, "--net", self.options.net()]);
        command.args(["--batch-size", &self.options.batch().to_string()]).args(images.flags());
        command
    }

    /// An empty folder for runs.
    pub fn runs(&self) -> Result<PathBuf> {
        let folder = self.options.work.join("runs");
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    /// The time that is left.
    pub fn left(&self) -> Duration {
        self.limit.saturating_sub(self.started.elapsed())
    }

    /// The limit of a command that the stage has to wait for: longer than the stage's own, at which the runner stops both.
    pub fn patience(&self) -> Duration {
        self.limit + Duration::from_secs(3600)
    }

    /// Notes a value. It is kept even if the stage is stopped.
    pub fn note(&mut self, name: &str, value: impl Serialize) -> Result<()> {
        self.notes.values.insert(name.to_owned(), json!(value));
        self.save()
    }

    /// Notes why the stage is not done.
    pub fn explain(&mut self, message: String) -> Result<()> {
        self.notes.message = Some(message);
        self.save()
    }

    fn save(&self) -> Result<()> {
        results::replace(&Notes::path(&self.options.work), &serde_json::to_string(&self.notes)?)
    }
}

//! A folder of results: `results.txt`, all that was printed, and `results.json`, what was measured. Both are written as it comes,
//! so that a machine that is taken away leaves what it has.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::adapters::Adapter;

const TEXT: &str = "results.txt";
const JSON: &str = "results.json";
/// The version of the JSON's layout.
const FORMAT: u32 = 1;

/// How a stage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It still runs, or the machine was taken away.
    Running,
    /// All of it was done.
    Done,
    /// A part of it could not be done here, or had no time.
    Incomplete,
    /// Something is wrong.
    Failed,
    /// It was stopped at its limit.
    Stopped,
}

impl Outcome {
    /// The outcome in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Running => "not finished",
            Self::Done => "done",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::Stopped => "stopped at its limit",
        }
    }
}

/// What a stage found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StageResult {
    /// The stage's name.
    pub stage: String,
    /// The day on which it ran.
    pub date: String,
    /// Its duration.
    pub seconds: f64,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it is not done.
    #[serde(default)]
    pub message: Option<String>,
    /// What it measured.
    #[serde(default)]
    pub values: Map<String, Value>,
}

/// The contents of `results.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    format: u32,
    /// Name and version of the program.
    pub lastbit: String,
    /// Operating system and processor architecture.
    pub system: String,
    /// The adapter that everything was measured on.
    pub adapter: Adapter,
    /// True for a trial with a small network.
    pub small: bool,
    /// The stages that have run.
    pub stages: Vec<StageResult>,
}

impl Report {
    /// A report without stages.
    pub fn new(lastbit: &str, adapter: Adapter, small: bool) -> Self {
        let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
        Self { format: FORMAT, lastbit: lastbit.to_owned(), system, adapter, small, stages: Vec::new() }
    }

    /// Reads the report in a folder of results; `None` if it has none.
    ///
    /// # Errors
    /// If the file is damaged, or of another version.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(JSON);
        if !path.is_file() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let value: Value = serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
        let format = &value["format"];
        ensure!(*format == FORMAT, "{} has format {format}; this version reads format {FORMAT}", path.display());
        serde_json::from_value(value).map(Some).with_context(|| format!("{} is damaged", path.display()))
    }

    /// What a stage found, if it has run.
    pub fn stage(&self, name: &str) -> Option<&StageResult> {
        self.stages.iter().find(|stage| stage.stage == name)
    }
}

/// The folder while it is written.
pub struct Results {
    folder: PathBuf,
    report: Report,
    text: File,
}

impl Results {
    /// Opens a folder for `report`. Results of other stages that are in it stay.
    ///
    /// # Errors
    /// If the folder has results of another adapter, program or size.
    pub fn open(folder: &Path, report: Report) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let earlier = Report::read(folder)?;
        if let Some(earlier) = &earlier {
            let what = |report: &Report| {
                let size = if report.small { ", --small" } else { "" };
                format!("{} on '{}' ({}){size}", report.lastbit, report.adapter.name, report.adapter.driver)
            };
            let (old, new) = (what(earlier), what(&report));
            ensure!(
                old == new,
                "{} has results of {old}, these would be of {new}: name another folder",
                folder.display()
            );
        }
        let path = folder.join(TEXT);
        let text = OpenOptions::new().create(true).append(true).open(&path);
        let text = text.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { folder: folder.to_owned(), report: earlier.unwrap_or(report), text })
    }

    /// Prints a line and appends it to the text.
    pub fn line(&mut self, line: &str) -> Result<()> {
        // The terminal may be gone; the file keeps the line.
        let _ = writeln!(std::io::stdout(), "{line}");
        writeln!(self.text, "{line}").with_context(|| format!("cannot write {}", self.folder.join(TEXT).display()))
    }

    /// Writes what is known of a stage, in place of what is there.
    pub fn record(&mut self, result: StageResult) -> Result<()> {
        match self.report.stages.iter_mut().find(|stage| stage.stage == result.stage) {
            Some(stage) => *stage = result,
            None => self.report.stages.push(result),
        }
        let path = self.folder.join(JSON);
        replace(&path, &(serde_json::to_string_pretty(&self.report)? + "\n"))
    }
}

impl StageResult {
    /// A stage that has begun.
    pub fn begun(stage: &str) -> Self {
        Self {
            stage: stage.to_owned(),
            date: OffsetDateTime::now_utc().date().to_string(),
            seconds: 0.0,
            outcome: Outcome::Running,
            message: None,
            values: Map::new(),
        }
    }
}

/// Writes a file as a whole: a reader finds the old contents or the new ones.
pub fn replace(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;

    fn report(adapter: &str) -> Report {
        Report::new("lastbit 0.1.0", Adapter { name: adapter.to_owned(), ..Adapter::default() }, false)
    }

    #[test]
    fn results_of_other_stages_stay() {
        let scratch = Scratch::new("results");
        let mut results = Results::open(scratch.path(), report("GPU")).unwrap();
        let stage = |name: &str, seconds| StageResult { seconds, outcome: Outcome::Done, ..StageResult::begun(name) };
        results.record(stage("bench", 1.0)).unwrap();
        results.line("== bench").unwrap();
        let mut results = Results::open(scratch.path(), report("GPU")).unwrap();
        results.record(stage("twice", 2.0)).unwrap();
        results.record(stage("bench", 3.0)).unwrap();
        results.line("== again").unwrap();
        let report = Report::read(scratch.path()).unwrap().unwrap();
        let stages: Vec<_> = report.stages.iter().map(|stage| (stage.stage.as_str(), stage.seconds)).collect();
        assert_eq!(stages, [("bench", 3.0), ("twice", 2.0)]);
        assert_eq!(fs::read_to_string(scratch.path().join(TEXT)).unwrap(), "== bench\n== again\n");
    }

    #[test]
    fn another_adapter_needs_another_folder() {
        let scratch = Scratch::new("other-results");
        let mut results = Results::open(scratch.path(), report("GPU")).unwrap();
        results.record(StageResult::begun("bench")).unwrap();
        let error = Results::open(scratch.path(), report("other")).err().unwrap().to_string();
        assert!(error.contains("'GPU'") && error.contains("'other'"), "{error}");
        fs::write(scratch.path().join(JSON), r#"{"format":2}"#).unwrap();
        assert!(Report::read(scratch.path()).unwrap_err().to_string().contains("has format 2"));
    }
}

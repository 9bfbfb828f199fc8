//! Compares the first replica of several runs, line by line: it is the same reference in all of them, or another one on each
//! adapter.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::metrics::MetricsReader;
use crate::failure::Failure;
use crate::run::summary_json;

/// How far the references of several runs are the same.
pub struct References {
    /// Number of lines of the first run that were compared with another run.
    pub lines: u64,
    /// The first step at which a run's reference differs from that of the first run, and that run's position.
    pub difference: Option<(u64, usize)>,
}

impl References {
    /// Compares every number of the first replica alone, as far as the runs have come, and its state at the end.
    pub fn of(folders: &[PathBuf]) -> Result<Self, Failure> {
        let mut references = Self { lines: 0, difference: None };
        for (position, folder) in folders.iter().enumerate().skip(1) {
            let mut pair = [MetricsReader::open(&folders[0])?, MetricsReader::open(folder)?];
            let mut first = None;
            while let (Some(a), Some(b)) = (next(&mut pair[0])?, next(&mut pair[1])?) {
                references.lines += 1;
                if a != b {
                    first = Some(a.0.min(b.0));
                    break;
                }
            }
            let [mine, theirs] = [&folders[0], folder].map(|folder| at_end(folder));
            if first.is_none() && mine.0 == theirs.0 && mine.1 != theirs.1 {
                first = mine.0;
            }
            let earliest = references.difference.map_or(u64::MAX, |(step, _)| step);
            if let Some(step) = first.filter(|step| *step < earliest) {
                references.difference = Some((step, position));
            }
        }
        Ok(references)
    }
}

/// Step and numbers of the next line that says something of the first replica.
fn next(recorded: &mut MetricsReader) -> Result<Option<(u64, Vec<Value>)>, Failure> {
    while let Some(line) = recorded.take()? {
        let numbers = match line.value["kind"].as_str() {
            Some("step") => vec![line.value["loss"][0].clone()],
            Some("layers") if line.value["replica"] == 0 => vec![line.value["fingerprint"].clone()],
            Some("epoch") => {
                ["train_loss", "test_loss", "test_accuracy"].map(|key| line.value[key][0].clone()).to_vec()
            }
            _ => continue,
        };
        return Ok(Some((line.step(), numbers)));
    }
    Ok(None)
}

/// The step of the newest checkpoint and the first replica's fingerprint.
fn at_end(folder: &Path) -> (Option<u64>, Value) {
    let summary = summary_json(folder);
    (summary["step"].as_u64(), summary["fingerprints"][0].clone())
}

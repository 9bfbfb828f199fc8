//! Checks that a run's folder still holds what was written to it, without training anything. The summary and the newest checkpoint
//! say how far the run came, and the checkpoint records the metrics before it.
//!
//! Harmless by definition, and not named:
//! - keys of the config that say where and how long, its comments and its layout;
//! - lines after the newest checkpoint, as long as they are lines: `--resume` recreates them, `verify` compares them;
//! - an unfinished last line, as a killed run leaves it;
//! - the removal of an older checkpoint, which is a spare.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::checkpoint_manifest::{CheckpointManifest, Digest};
use super::checkpoints::checkpoint_folders;
use super::layout::{INIT_FILE, MANIFEST_FILE, METRICS_FILE, MOST_LINE_BYTES, SUMMARY_FILE};
use super::manifest::{Found, Manifest};
use super::summary::{FoundSummary, finished_step};
use crate::failure::Failure;
use crate::run_config::RunConfig;

/// What is missing from the run in `folder`, which has this config, or is not as it was written; one text for each problem.
pub fn problems(folder: &Path, config: &RunConfig) -> Result<Vec<String>, Failure> {
    let mut problems = Vec::new();
    let manifest = Manifest::read(folder);
    match &manifest {
        Found::Nothing => problems.push(format!("{MANIFEST_FILE} is missing")),
        Found::Damaged => problems.push(format!("{MANIFEST_FILE} is damaged")),
        Found::Whole(manifest) => {
            problems
                .extend(manifest.config_changes(config)?.into_iter().map(|change| format!("config.toml: {change}")));
        }
    }
    match &manifest {
        Found::Whole(manifest) => problems.extend(manifest.init_problem(folder)),
        _ if folder.join(INIT_FILE).is_file() => {}
        _ => problems.push(format!("{INIT_FILE} is missing")),
    }
    // Read before the checkpoints, so that the summary of a run in progress is never ahead of them.
    let summary = FoundSummary::read(folder);
    let checkpoints = checkpoint_folders(folder);
    match &summary {
        FoundSummary::Nothing if checkpoints.is_empty() => {}
        FoundSummary::Nothing => problems.push(format!("{SUMMARY_FILE} is missing")),
        FoundSummary::Damaged => problems.push(format!("{SUMMARY_FILE} is damaged")),
        FoundSummary::Whole(summary) => {
            // Only the first versions wrote no checksum.
            if summary["sha256"].is_null() && matches!(&manifest, Found::Whole(manifest) if manifest.is_sealed()) {
                problems.push(format!("{SUMMARY_FILE} has no checksum"));
            }
        }
    }
    let newest = checkpoints.first().map(|(step, _)| *step);
    problems.extend(missing_checkpoint(&summary, newest));
    let (mut before, mut is_newest_whole) = (Digest::of(&[]), true);
    for (step, checkpoint) in &checkpoints {
        let name = format!("checkpoint/{}", checkpoint.file_name().unwrap_or_default().to_string_lossy());
        match CheckpointManifest::read(checkpoint).and_then(|manifest| manifest.check(checkpoint).map(|()| manifest)) {
            Ok(manifest) if manifest.step != *step => problems.push(format!("{name} holds step {}", manifest.step)),
            // The lines before an older checkpoint are before the newest one, too.
            Ok(manifest) if manifest.metrics.bytes > before.bytes => before = manifest.metrics,
            Ok(_) => {}
            // A run in progress removed it meanwhile, because it saved a newer one.
            Err(_) if !checkpoint.exists() => {}
            Err(problem) => {
                is_newest_whole &= Some(*step) != newest;
                problems.push(format!("{name}: {problem}"));
            }
        }
    }
    let is_at_its_end = is_newest_whole && summary.finished_step(&config.train) == newest && newest.is_some();
    problems.extend(metrics_problem(&folder.join(METRICS_FILE), &before, is_at_its_end));
    Ok(problems)
}

/// The last step of the run in `folder` if it is finished under `config` and nothing is missing from it.
pub fn whole_finished_step(folder: &Path, config: &RunConfig) -> Result<Option<u64>, Failure> {
    match finished_step(folder, &config.train) {
        Some(step) if problems(folder, config)?.is_empty() => Ok(Some(step)),
        _ => Ok(None),
    }
}

/// Says that the checkpoint of the summary is missing; `None` if it is there.
pub fn missing_checkpoint(summary: &FoundSummary, newest: Option<u64>) -> Option<String> {
    let saved = summary.step().filter(|step| *step > newest.unwrap_or(0))?;
    let newest = newest.map_or("there is no checkpoint".to_owned(), |step| format!("the newest is of step {step}"));
    Some(format!("the checkpoint of step {saved}, which {SUMMARY_FILE} names, is missing ({newest})"))
}

/// What is wrong with the metrics, which must begin with `before` as the newest checkpoint recorded it, and end there if
/// `is_at_its_end`.
fn metrics_problem(path: &Path, before: &Digest, is_at_its_end: bool) -> Option<String> {
    let wrong = |problem: String| Some(format!("{METRICS_FILE} {problem}"));
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return wrong("is missing".to_owned()),
        Err(error) => return wrong(format!("cannot be read ({error})")),
    };
    let mut reader = BufReader::new(file);
    let mut hasher = Sha256::new();
    let read = match io::copy(&mut reader.by_ref().take(before.bytes), &mut hasher) {
        Ok(read) => read,
        Err(error) => return wrong(format!("cannot be read ({error})")),
    };
    if read < before.bytes {
        return wrong(format!("has {read} of the {} bytes that the newest checkpoint recorded", before.bytes));
    }
    if format!("{:x}", hasher.finalize()) != before.sha256 {
        return wrong("is not what the newest checkpoint recorded (wrong SHA-256)".to_owned());
    }
    let mut after = 0;
    loop {
        let mut line = Vec::new();
        match reader.by_ref().take(MOST_LINE_BYTES).read_until(b'\n', &mut line) {
            Err(error) => return wrong(format!("cannot be read ({error})")),
            Ok(0) if after == 0 && before.bytes == 0 => return wrong("has no lines".to_owned()),
            Ok(0) => return None,
            Ok(_) => {}
        }
        let is_whole = line.pop_if(|byte| *byte == b'\n').is_some();
        if !is_whole {
            // A run that is killed while it writes leaves the beginning of a line.
            let is_begun = line.first() == Some(&b'{') && line.iter().all(|byte| (b' '..=b'~').contains(byte));
            return if is_begun { None } else { wrong(format!("ends with {} bytes that are not a line", line.len())) };
        }
        let has_step = serde_json::from_slice(&line).is_ok_and(|value: Value| value["step"].is_u64());
        after += 1;
        if !has_step {
            return wrong("has an unreadable line after those that the newest checkpoint recorded".to_owned());
        }
        if is_at_its_end {
            return wrong("continues after the end of the run".to_owned());
        }
    }
}

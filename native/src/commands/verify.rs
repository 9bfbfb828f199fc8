//! `lastbit verify`: trains a run again and compares every line and every checkpoint with its record.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use lastbit_core::device::{AdapterChoice, adapters};
use lastbit_core::processor::Class;
use pollster::block_on;
use serde_json::json;

use crate::device;
use crate::failure::Failure;
use crate::numbers::count;
use crate::run::{Found, Hooks, Manifest, Prepared, read_config};
use crate::run_config::RunConfig;
use crate::terminal::{print_line, warn};
use crate::verify::{Replay, last_recorded_step, replay};

/// Flags of `verify`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Run folder
    #[arg(value_name = "RUN_FOLDER")]
    folder: PathBuf,
    /// Replay only these steps, from the last checkpoint before them if there is one [default: all recorded steps]
    #[arg(long, value_name = "A..B", value_parser = parse_range)]
    steps: Option<RangeInclusive<u64>>,
    /// Replay on another adapter, by index or part of its name [default: that of the run, if this machine has it]
    #[arg(long)]
    adapter: Option<String>,
    /// Folder with the data set's files, if they are no longer where the run found them
    #[arg(long, value_name = "PATH")]
    data_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Parses A..B, both ends included.
fn parse_range(text: &str) -> Result<RangeInclusive<u64>, String> {
    let parsed = text.split_once("..").and_then(|(a, b)| Some(a.parse().ok()?..=b.parse().ok()?));
    let range: Option<RangeInclusive<u64>> = parsed.filter(|range| *range.start() >= 1 && !range.is_empty());
    range.ok_or_else(|| format!("'{text}' is not A..B, as in 100..200 (both included, counted from 1)"))
}

/// Replays the run and prints the result.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let folder = &arguments.folder;
    let mut config = read_config(folder)?;
    if let Some(steps) = &arguments.steps {
        check_recorded(folder, steps)?;
    }
    config.host.adapter = match arguments.adapter {
        Some(adapter) => Some(adapter),
        None => own_adapter(folder, &config, arguments.steps.as_ref().map_or(1, |steps| *steps.start()))?,
    };
    if let Some(data_dir) = arguments.data_dir {
        config.host.data_dir = Some(data_dir);
    }
    let prepared = Prepared::new(config, Hooks::default())?;
    let adapter = prepared.context.adapter().name.clone();
    let ks = prepared.config.train.ks.clone();
    let found = replay(folder, prepared, arguments.steps)?;
    for change in &found.changes {
        warn(format!("since the run was made, {change} changed: equal bits are no longer promised"));
    }
    if arguments.json {
        print_line(as_json(&found, &ks));
    } else {
        print_replay(&found, &adapter);
    }
    if found.is_equal() {
        return Ok(ExitCode::SUCCESS);
    }
    let what = if found.replays() { "is not as it was written" } else { "does not replay" };
    Err(Failure::other(format!("the run in '{}' {what}: {}", folder.display(), why(&found, &ks))))
}

/// Refuses steps that were not recorded: comparing only the recorded ones would look like an answer about all.
fn check_recorded(folder: &Path, steps: &RangeInclusive<u64>) -> Result<(), Failure> {
    let last = last_recorded_step(folder)?;
    if *steps.end() <= last {
        return Ok(());
    }
    let folder = folder.display();
    Err(Failure::usage(match last {
        0 => format!("--steps: '{folder}' has recorded no step"),
        _ => format!(
            "--steps: '{folder}' has recorded steps 1 to {last}, not step {}: give steps up to {last}",
            steps.end()
        ),
    }))
}

/// The adapter that `LASTBIT_ADAPTER` names; else the one that made `step`, if this machine has it: another default, or an index that
/// has moved, would look like bits that differ. `None` stands for the best one.
fn own_adapter(folder: &Path, config: &RunConfig, step: u64) -> Result<Option<String>, Failure> {
    let options = device::options(None)?;
    if let AdapterChoice::Named(name) = options.adapter {
        return Ok(Some(name));
    }
    let Found::Whole(manifest) = Manifest::read(folder) else { return Ok(config.host.adapter.clone()) };
    let made = manifest.adapter(step).to_owned();
    // The processor needs no driver, so ask none.
    let is_processor = Class::ALL.map(Class::adapter).contains(&made.as_str());
    let is_here = is_processor || block_on(adapters(options)).iter().any(|adapter| adapter.name == made);
    Ok(Some(made).filter(|_| is_here))
}

/// The problems and the first difference, in one line.
fn why(found: &Replay, ks: &[u32]) -> String {
    let mut parts = found.problems.clone();
    if let Some(line) = &found.line {
        parts.push(format!("at step {}, {} (recorded, now)", line.step, line.what));
    }
    if let Some(state) = &found.state {
        let k = ks.get(state.replica).copied().unwrap_or(0);
        let place = match state.step {
            0 => "at the start".to_owned(),
            step => format!("in the checkpoint of step {step}, replica {} (k = {k})", state.replica),
        };
        parts.push(format!("{place}, {}", state.difference));
    } else if let Some(line) = &found.line {
        let later: Vec<String> =
            found.checkpoints.iter().filter(|step| **step >= line.step).map(ToString::to_string).collect();
        parts.push(match later.as_slice() {
            [] => "there is no later checkpoint to name tensor and element".to_owned(),
            [one] => format!("but the state after step {one} is as it was saved"),
            later => format!("but the states after steps {} are as they were saved", later.join(", ")),
        });
    }
    parts.extend(found.damaged.iter().map(|damaged| format!("checkpoint {damaged}")));
    if let (Some(class), false) = (&found.elsewhere, found.line.is_none() && found.state.is_none()) {
        parts.push(format!(
            "the adapter is not the one that made the run, but of the same class ({class}), where equal bits are promised: \
             `lastbit certify` names the kernel on the device that breaks the promise"
        ));
    }
    parts.join("; ")
}

fn print_replay(found: &Replay, adapter: &str) {
    let checkpoints: Vec<String> = found.checkpoints.iter().map(ToString::to_string).collect();
    let states = match checkpoints.as_slice() {
        [] => "no checkpoint".to_owned(),
        [step] => format!("the checkpoint of step {step}"),
        steps => format!("the checkpoints of steps {}", steps.join(", ")),
    };
    // No line is left to replay.
    if found.lines == 0 {
        return;
    }
    print_line(format!(
        "replayed from step {} on '{adapter}': compared {} up to step {}, {} and {states}",
        found.first_step,
        count(found.lines, "line"),
        found.last_step,
        count(found.fingerprints, "fingerprint")
    ));
    if found.is_equal() {
        print_line("verified: every bit is the same");
        if let Some(class) = &found.elsewhere {
            print_line(format!("the run was made on another adapter of the same class ({class})"));
        }
    }
}

fn as_json(found: &Replay, ks: &[u32]) -> serde_json::Value {
    let state = found.state.as_ref().map(|state| {
        json!({
            "step": state.step,
            "replica": state.replica,
            "k": ks.get(state.replica),
            "tensor": state.difference.tensor,
            "index": state.difference.index,
            "bits": state.difference.bits.map(|bits| format!("{bits:08x}")),
            "elements": state.difference.elements,
        })
    });
    let damaged: Vec<&String> = found.problems.iter().chain(&found.damaged).collect();
    json!({
        "equal": found.is_equal(),
        "first_step": found.first_step,
        "last_step": found.last_step,
        "lines": found.lines,
        "fingerprints": found.fingerprints,
        "checkpoints": found.checkpoints,
        "changes": found.changes,
        "damaged": damaged,
        "line": found.line.as_ref().map(|line| json!({ "step": line.step, "what": line.what })),
        "state": state,
    })
}

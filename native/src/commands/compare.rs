//! `lastbit compare`: compares two runs bit by bit, for example from two machines, or networks at their ends, and writes a page.

mod ends;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::failure::Failure;
use crate::report;
use crate::run::Promise;
use crate::terminal::print_line;
use crate::value_parsers::whole_in;
use crate::verify::Comparison;

/// Flags of `compare`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Run folder; with --ends, or the folder of a checkpoint in it
    #[arg(value_name = "RUN_FOLDER")]
    first: PathBuf,
    /// Another run folder, of the same experiment; with --ends, of the same network, and without it the copies of the first run
    /// are compared with its first one
    #[arg(value_name = "RUN_FOLDER", required_unless_present = "ends")]
    second: Option<PathBuf>,
    /// Compare the networks at the end: the loss along the straight line between them, disagreement, correlation and ensemble gain,
    /// distance by layer
    #[arg(long)]
    ends: bool,
    /// With --ends: use the first N training and test images [default: 2000]
    #[arg(long, value_name = "N", requires = "ends", allow_negative_numbers = true, value_parser = whole_in::<usize>(1, u32::MAX.into()))]
    images: Option<usize>,
    /// With --ends: adapter by index or part of its name [default: $LASTBIT_ADAPTER, else a GPU, else the processor]
    #[arg(long, requires = "ends")]
    adapter: Option<String>,
    /// With --ends: folder with the data set's files, or its parent, or the archive [default: that of the first run]
    #[arg(long, value_name = "PATH", requires = "ends")]
    data_dir: Option<PathBuf>,
    /// Where to write the page [default: compare.html in the first folder; with --ends ends.html, or the run's report.html for one
    /// run]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Compares the runs, writes the page and prints the result. The exit code is 1 if a bit differs; with `--ends` it is always 0.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let (first, second) = match arguments.second {
        Some(second) if !arguments.ends => (arguments.first, second),
        _ => return ends::run(&arguments),
    };
    let (out, json) = (arguments.out, arguments.json);
    let comparison = Comparison::of([first, second])?;
    let page = report::write_comparison(&comparison, out.as_deref())?;
    let code = if comparison.is_equal() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if json {
        print_line(as_json(&comparison));
        return Ok(code);
    }
    for (key, [a, b]) in &comparison.different_keys {
        print_line(format!("config: {key} is {a} and {b}"));
    }
    for change in changes(&comparison) {
        print_line(format!("environment: {change}"));
    }
    print_line(promise(&comparison));
    let steps = comparison.steps.len();
    print_line(format!("compared {steps} steps and {} fingerprints", comparison.fingerprints));
    comparison.damages(|folder| folder.display().to_string()).iter().for_each(print_line);
    if let Some(line) = &comparison.line {
        let equal =
            comparison.last_equal_fingerprint.map(|step| format!(" (fingerprints are the same up to step {step})"));
        print_line(format!(
            "the first line that differs is of step {}: {} (first run, second run){}",
            line.step,
            line.what,
            equal.unwrap_or_default()
        ));
    }
    if let Some((state, difference)) = comparison.first_state() {
        print_line(format!(
            "the first state that differs is of step {}, replica {}: {difference}",
            state.step, state.replica
        ));
    }
    if comparison.is_equal() {
        print_line("every bit that both runs have is the same");
    }
    print_line(format!("report: {}", page.display()));
    Ok(code)
}

/// Whether the two runs can be compared by their fingerprints.
fn promise(comparison: &Comparison) -> String {
    match comparison.promise() {
        Promise::Equal(class) if comparison.is_equal() => {
            format!("comparable bit by bit: {class}; equal configs and starts have equal fingerprints there")
        }
        Promise::Equal(class) => format!(
            "comparable bit by bit: {class}; equal configs and starts have equal fingerprints there, so a difference is a finding: \
             `lastbit certify` names the kernel on the device that breaks the promise"
        ),
        Promise::Nothing(why) => format!("not comparable bit by bit: {why}: equal bits are not promised"),
    }
}

/// What may make the bits of the two runs differ, in the steps that both have; one text each.
fn changes(comparison: &Comparison) -> Vec<String> {
    match &comparison.manifests {
        [Some(first), Some(second)] => first.changes(second, comparison.common_steps()),
        _ => vec!["not known, because a manifest.json is missing or damaged".to_owned()],
    }
}

fn as_json(comparison: &Comparison) -> serde_json::Value {
    let states = comparison.states.iter().map(|state| {
        let difference = state.difference.as_ref();
        json!({
            "step": state.step,
            "replica": state.replica,
            "rel_l1": state.rel_l1,
            "tensor": difference.map(|d| &d.tensor),
            "index": difference.map(|d| d.index),
            "bits": difference.map(|d| d.bits.map(|bits| format!("{bits:08x}"))),
            "elements": difference.map_or(0, |d| d.elements),
        })
    });
    json!({
        "equal": comparison.is_equal(),
        "different_keys": comparison.different_keys.iter().map(|(key, _)| key).collect::<Vec<_>>(),
        "changes": changes(comparison),
        "promised": matches!(comparison.promise(), Promise::Equal(_)),
        "steps": comparison.steps.len(),
        "fingerprints": comparison.fingerprints,
        "last_equal_fingerprint": comparison.last_equal_fingerprint,
        "damaged_lines": comparison.damaged_lines,
        "damages": comparison.damages(|folder| folder.display().to_string()),
        "line": comparison.line.as_ref().map(|line| json!({ "step": line.step, "what": line.what })),
        "states": states.collect::<Vec<_>>(),
    })
}

//! What `train` prints beside the progress of a run.

use std::path::Path;

use lastbit_core::train::Trainer;
use serde_json::{Value, json};

use crate::datasets::Images;
use crate::failure::Failure;
use crate::forecast::time_text;
use crate::numbers::count;
use crate::progress::replicas_text;
use crate::run::{ENDS_FILE, LOGITS_FOLDER, Outcome, Prepared, Summary};
use crate::terminal::warn;

/// Printed before a long run's first tuning.
pub const TUNING: &str =
    "finding the quickest tile of each convolution, once for this adapter and network (`lastbit tune`)";

/// The lines about a run before it begins: its memory, and its time if it is long.
pub fn cost_lines(prepared: &Prepared) -> Result<Vec<String>, Failure> {
    let forecast = prepared.forecast();
    let mut lines = vec![format!("memory: {}", forecast.memory_text())];
    if forecast.is_long() {
        lines.push(format!("time for all {}: {}", count(forecast.length.steps, "step"), time_text(&forecast.time()?)));
    }
    Ok(lines)
}

/// The first line of a run.
pub fn announcement(trainer: &Trainer, images: &Images, out: &Path, first_step: u64) -> String {
    let (adapter, config) = (trainer.context().adapter(), trainer.config());
    let with = match (&adapter.detail, adapter.software) {
        (Some(detail), _) => format!(" ({detail})"),
        (None, true) => ", a software GPU".to_owned(),
        (None, false) => String::new(),
    };
    let from = if first_step > 0 { format!(" from step {first_step}") } else { String::new() };
    format!(
        "training {} on {}{} with {}{from}, {} steps, on '{}'{with} -> {}",
        trainer.network().name,
        config.dataset,
        images.origin_note(),
        replicas_text(config),
        trainer.total_steps(),
        adapter.name,
        out.display()
    )
}

/// The last line of `--json`.
pub fn ending_json(outcome: Outcome, total_steps: u64, out: &Path) -> Value {
    let (kind, step) = match outcome {
        Outcome::Finished => ("finished", total_steps),
        Outcome::Interrupted(step) => ("interrupted", step),
    };
    json!({ "kind": kind, "step": step, "out": out })
}

/// How the run ended.
pub fn ending_lines(outcome: Outcome, summary: &Summary, out: &Path) -> Vec<String> {
    let has = |name: &str| out.join(name).exists();
    let out = out.display();
    if let Outcome::Interrupted(step) = outcome {
        return vec![format!("stopped after step {step}; continue with: lastbit train --out '{out}' --resume")];
    }
    let mut lines = summary.table();
    lines.push(format!(
        "files in {out}: config.toml, manifest.json, metrics.jsonl, timing.jsonl, init.safetensors, summary.json, checkpoint/{}{}",
        if has(ENDS_FILE) { ", ends.json" } else { "" },
        if has(LOGITS_FOLDER) { ", logits/" } else { "" }
    ));
    let control = match summary.control().controls() {
        [] => None,
        _ if summary.is_control_red() => None,
        _ if summary.is_control_not_finite() => Some(
            "control: cannot tell, because its numbers or those of the first replica are not finite: equal bits prove nothing",
        ),
        _ => Some("control green: 0 bits differ"),
    };
    lines.extend(control.map(str::to_owned));
    lines
}

/// The warning that a control differs.
pub fn red_control(summary: &Summary) -> String {
    let since = summary.control().first_red_step().map(|step| format!(" since step {step}")).unwrap_or_default();
    format!(
        "THE CONTROL IS RED{since}: replicas that must equal the first one bit for bit do not. Divergence in this run \
         does not come from k alone: do not use it (with --flip-bit, this is expected)"
    )
}

/// Warns of files in the image folder that are not read.
pub fn warn_of_not_read(prepared: &Prepared) {
    if let Some(text) = prepared.images.not_read.text() {
        warn(format!(
            "not read in the image folder: {text}; `lastbit data info folder` counts the images that are read"
        ));
    }
}

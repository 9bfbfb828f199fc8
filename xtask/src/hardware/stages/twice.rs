//! Short runs whose bits must agree: the same run twice, one k alone, replicas in chunks, and a replay.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::metrics;
use crate::hardware::images::{self, Images};
use crate::hardware::pack;
use crate::hardware::trial::Trial;
use crate::process;

const KS: &str = "1,3,2,1";
/// Replicas of [`KS`] that must equal the first one.
const CONTROLS: [usize; 2] = [2, 3];
/// Shares of the memory of all replicas at once, to make them take turns.
const BUDGETS: [f64; 3] = [0.75, 0.5, 0.3];

/// Runs the stage.
pub fn run(trial: &mut Trial) -> Result<()> {
    let images = images::unpack(&pack::here()?, &trial.options.work)?;
    trial.note("images", images.words())?;
    trial.note("net", trial.options.net())?;
    trial.note("batch", trial.options.batch())?;
    let runs = trial.runs()?;
    let (a, b, alone, chunks) = (runs.join("a"), runs.join("b"), runs.join("alone"), runs.join("chunks"));
    let mut wrong = Vec::new();
    let mut promise = |trial: &mut Trial, name: &str, kept: bool, words: String| {
        println!("{words}");
        if !kept {
            wrong.push(words);
        }
        trial.note(name, kept)
    };

    train(trial, &images, KS, &a, &[])?;
    let of_a = metrics::lines(&a, METRICS)?;
    let last = metrics::last_step(&of_a);
    println!("last step: {last}");
    trial.note("last_step", &last)?;
    let differing: Vec<&Value> = CONTROLS.iter().map(|&replica| &last["differing"][replica]).collect();
    let kept = differing.iter().all(|n| **n == 0);
    promise(
        trial,
        "controls",
        kept,
        format!("k = 2 and the second k = 1: {} and {} bits differ", differing[0], differing[1]),
    )?;

    train(trial, &images, KS, &b, &[])?;
    promise(trial, "run_to_run", same_metrics(&a, &b)?, compared("two equal runs", same_metrics(&a, &b)?))?;
    let comparison = process::run(&mut trial.lastbit(&["compare", text(&a)?, text(&b)?]), trial.patience());
    promise(trial, "compare", comparison.is_ok(), compared("`lastbit compare` of the two", comparison.is_ok()))?;

    train(trial, &images, "3", &alone, &[])?;
    let (among, single) = (metrics::fingerprints(&of_a), metrics::fingerprints(&metrics::lines(&alone, METRICS)?));
    let equal = single.iter().filter(|(step, print)| among.get(step) == Some(print)).count();
    let words = format!("k = 3 alone and among four: {equal} of {} fingerprints equal", single.len());
    promise(trial, "replica_independent", equal == single.len() && equal > 0, words)?;

    match memory_for_chunks(trial, &images)? {
        Some((bytes, count)) => {
            train(trial, &images, KS, &chunks, &["--memory-budget", &bytes.to_string()])?;
            let kept = same_metrics(&a, &chunks)?;
            promise(trial, "chunks", kept, compared(&format!("the replicas in {count} chunks"), kept))?;
        }
        None => println!("in chunks: not tested, no memory budget makes the replicas of this network take turns"),
    }

    let replay = process::run(&mut trial.lastbit(&["verify", text(&a)?]), trial.patience());
    promise(trial, "verify", replay.is_ok(), compared("`lastbit verify`, a replay", replay.is_ok()))?;
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}

const METRICS: &str = "metrics.jsonl";

/// The flags of a run, without its folder.
fn flags(trial: &Trial, images: &Images, ks: &str) -> std::process::Command {
    let mut train = trial.training("train", images);
    train.args(["--ks", ks, "--steps", &trial.options.steps().to_string()]);
    train.args(["--eval-every", "0", "--test-limit", "128", "--log-every", "1"]);
    train
}

fn train(trial: &Trial, images: &Images, ks: &str, out: &Path, more: &[&str]) -> Result<()> {
    let mut train = flags(trial, images, ks);
    process::run(train.args(more).arg("--quiet").arg("--out").arg(out), trial.patience())
}

/// A memory budget in bytes with which the replicas take turns, and the number of chunks then.
fn memory_for_chunks(trial: &Trial, images: &Images) -> Result<Option<(u64, u64)>> {
    let plan = |more: &[&str]| -> Result<Value> {
        let mut dry_run = flags(trial, images, KS);
        let json = process::capture(dry_run.args(["--dry-run", "--json"]).args(more), Duration::from_secs(60))?;
        serde_json::from_str(&json).context("cannot parse the output of `lastbit train --dry-run --json`")
    };
    let bytes =
        plan(&[])?["buffer_bytes"].as_u64().context("`lastbit train --dry-run --json` names no buffer_bytes")?;
    for share in BUDGETS {
        let budget = (bytes as f64 * share) as u64;
        // A budget that is too small is an error, like a plan in one chunk no use here.
        let chunks = plan(&["--memory-budget", &budget.to_string()]).ok().and_then(|plan| plan["chunks"].as_u64());
        if let Some(chunks) = chunks.filter(|chunks| *chunks > 1) {
            return Ok(Some((budget, chunks)));
        }
    }
    Ok(None)
}

fn same_metrics(a: &Path, b: &Path) -> Result<bool> {
    let read =
        |run: &Path| fs::read(run.join(METRICS)).with_context(|| format!("cannot read {METRICS} of {}", run.display()));
    Ok(read(a)? == read(b)?)
}

fn compared(what: &str, is_equal: bool) -> String {
    format!("{what}: {}", if is_equal { "every bit is the same" } else { "bits differ" })
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not Unicode", path.display()))
}

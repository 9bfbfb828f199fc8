//! Trains until its limit and stops the run as a scheduler does. The run's folder goes into the results, and the stage goes on
//! from it the next time: from the one in the results, else from one that was copied into the packed folder.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::metrics;
use crate::hardware::trial::Trial;
use crate::hardware::{archive, images, pack};
use crate::peers::median;
use crate::{process, signals};

/// The k of the paper.
pub const KS: &str = "1,3,5,7,9,11";
/// Name of the run's folder, and of its parts in the results.
const NAME: &str = "train";
/// How long the run may take to save.
const SAVE_LIMIT: Duration = Duration::from_secs(40);
/// Steps whose seconds are noted.
const LAST_STEPS: usize = 100;

/// Runs the stage.
pub fn run(trial: &mut Trial) -> Result<()> {
    let pack = pack::here()?;
    let (work, results) = (trial.options.work.clone(), trial.options.results.clone());
    let images = images::unpack(&pack, &work)?;
    trial.note("images", images.words())?;
    trial.note("net", trial.options.net())?;
    trial.note("batch", trial.options.batch())?;
    let run = work.join(NAME);
    if run.exists() {
        fs::remove_dir_all(&run).with_context(|| format!("cannot remove {}", run.display()))?;
    }
    let is_resumed = archive::unpack_parts(&results, NAME, &work)? || archive::unpack_parts(&pack, NAME, &work)?;
    let before = if is_resumed { steps(&run)? } else { 0 };
    trial.note("resumed_at", before)?;
    let mut command = trial.training("train", &images);
    command.args(["--ks", KS, "--checkpoint-every", "1epoch", "--keep-checkpoints", "1", "--out"]).arg(&run);
    command.args(is_resumed.then_some("--resume")).stdin(Stdio::null());
    println!("$ {}", process::line_of(&command));
    let mut child = command.spawn().context("cannot start the run")?;
    let deadline = Instant::now() + trial.left();
    let mut status = child.try_wait()?;
    while status.is_none() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(100));
        status = child.try_wait()?;
    }
    let ended_by_itself = status.is_some();
    if status.is_none() {
        let asked = Instant::now();
        signals::terminate(&mut child).context("cannot stop the run")?;
        while status.is_none() && asked.elapsed() < SAVE_LIMIT {
            thread::sleep(Duration::from_millis(10));
            status = child.try_wait()?;
        }
        trial.note("seconds_to_save", asked.elapsed().as_secs_f64())?;
    }
    let Some(status) = status else {
        child.kill()?;
        child.wait()?;
        bail!("the run did not save within {} s of SIGTERM", SAVE_LIMIT.as_secs());
    };
    note_run(trial, &run)?;
    println!("writing the run to {}", results.display());
    archive::pack_parts(&run, &results, archive::PART_BYTES)?;
    // A run that finished ends with 0; one that SIGTERM stopped with 143, or on Windows with 1.
    if ended_by_itself && !status.success() {
        bail!("`lastbit train` failed ({status})");
    }
    if cfg!(unix) && !ended_by_itself && status.code() != Some(143) {
        bail!("SIGTERM ended the run with {status}, not with 143");
    }
    Ok(())
}

fn steps(run: &Path) -> Result<u64> {
    Ok(metrics::last_step(&metrics::lines(run, "metrics.jsonl")?)["step"].as_u64().unwrap_or(0))
}

fn note_run(trial: &mut Trial, run: &Path) -> Result<()> {
    let lines = metrics::lines(run, "metrics.jsonl")?;
    let last = metrics::last_step(&lines);
    trial.note("last_step", &last)?;
    trial.note("epochs", metrics::epochs(&lines))?;
    let timing = metrics::lines(run, "timing.jsonl")?;
    let seconds: Vec<f64> = timing.iter().filter_map(|line| line["seconds"].as_f64()).collect();
    let late = median(&seconds[seconds.len().saturating_sub(LAST_STEPS)..]);
    trial.note("ms_per_step", late.map(|seconds| seconds * 1e3))?;
    println!("last step: {last}; {} ms a step", json!(late.map(|seconds| (seconds * 1e3).round())));
    Ok(())
}

//! `cargo xtask soak`: tests that take too long for CI. Kills a run at random moments, resumes it and compares its files with
//! those of an undisturbed run; then trains for an hour and watches memory, handles and the control lamp.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{host, process, signals};

const BUILD_LIMIT: Duration = Duration::from_secs(45 * 60);
const RUN_LIMIT: Duration = Duration::from_secs(20 * 60);
/// A run whose steps take about ten milliseconds on a software adapter, and which saves after every step.
const KILLED: [&str; 20] = [
    "train",
    "--net",
    "resnet8",
    "--width",
    "0.25",
    "--dataset",
    "synthetic",
    "--batch-size",
    "8",
    "--train-limit",
    "256",
    "--test-limit",
    "16",
    "--ks",
    "1,3,2",
    "--steps",
    "600",
    "--checkpoint-every",
    "1step",
    "--quiet",
];
/// A run that does not end by itself, with controls, evaluations, checkpoints and event files.
const ENDLESS: [&str; 21] = [
    "train",
    "--net",
    "resnet8",
    "--width",
    "0.5",
    "--dataset",
    "synthetic",
    "--batch-size",
    "16",
    "--train-limit",
    "1024",
    "--test-limit",
    "128",
    "--ks",
    "1,3,2,1",
    "--epochs",
    "1000000",
    "--checkpoint-every",
    "100steps",
    "--quiet",
    "--tensorboard",
];
/// Replicas of [`ENDLESS`] that must equal the first one.
const CONTROLS: [usize; 2] = [2, 3];
/// Largest relative growth of memory from the second quarter of the time to the last, because of longer lines or a cache.
const MOST_GROWTH: f64 = 0.02;

/// Flags: `--minutes N` (60), `--kills N` (20), `--program PATH` (an existing lastbit).
pub fn run(flags: &[String]) -> Result<()> {
    let (mut minutes, mut kills, mut program) = (60, 20, None);
    for pair in flags.chunks(2) {
        match pair {
            [flag, value] if flag == "--minutes" => minutes = value.parse().context("--minutes takes a number")?,
            [flag, value] if flag == "--kills" => kills = value.parse().context("--kills takes a number")?,
            [flag, value] if flag == "--program" => program = Some(std::path::absolute(value)?),
            _ => bail!("soak takes --minutes N, --kills N and --program PATH, not '{}'", pair.join(" ")),
        }
    }
    let program = match program {
        Some(program) => program,
        None => {
            process::run(&mut process::command("cargo", &["build", "--release", "--package", "lastbit"]), BUILD_LIMIT)?;
            host::target_dir()?.join(format!("release/lastbit{}", std::env::consts::EXE_SUFFIX))
        }
    };
    let home = host::target_dir()?.join(format!("soak-{}", std::process::id()));
    std::fs::create_dir_all(&home)?;
    if kills > 0 {
        killed_runs(&program, &home, kills)?;
    }
    if minutes > 0 {
        endless_run(&program, &home.join("endless"), Duration::from_secs(minutes * 60))?;
    }
    // After a failure the files stay, for inspection.
    std::fs::remove_dir_all(&home).context("cannot remove the folder of the soak")
}

fn start(program: &Path, flags: &[&str], out: &Path) -> Command {
    let mut command = process::command(program, flags);
    command.arg("--resume").arg("--out").arg(out).stdin(Stdio::null());
    command
}

/// SplitMix64, seeded from the clock. The seed is printed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// Kills a run `kills` times, resumes it each time, and compares it with an undisturbed run.
fn killed_runs(program: &Path, home: &Path, kills: u64) -> Result<()> {
    let (whole, killed) = (home.join("whole"), home.join("killed"));
    let begun = Instant::now();
    process::run(&mut start(program, &KILLED, &whole), RUN_LIMIT)?;
    let whole_ms = begun.elapsed().as_millis() as u64;
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
    println!("soak: {kills} kills, seed {seed}");
    let mut random = Random(seed);
    let (mut done, mut while_saving) = (0, 0);
    while done < kills {
        let mut child =
            start(program, &KILLED, &killed).stdout(Stdio::null()).spawn().context("cannot start the run")?;
        // From before its first step to late in the run.
        std::thread::sleep(Duration::from_millis(random.below(whole_ms / 6 + 1000)));
        if child.try_wait()?.is_some() {
            same_files(&whole, &killed)?;
            std::fs::remove_dir_all(&killed)?;
            continue;
        }
        child.kill()?;
        child.wait()?;
        done += 1;
        let begun = std::fs::read_dir(killed.join("checkpoint")).into_iter().flatten().flatten();
        while_saving += u64::from(begun.into_iter().any(|e| e.file_name().to_string_lossy().starts_with('.')));
    }
    process::run(&mut start(program, &KILLED, &killed), RUN_LIMIT)?;
    same_files(&whole, &killed)?;
    println!(
        "soak: {done} kills, {while_saving} of them while a checkpoint was written; every byte equals that of the undisturbed run"
    );
    Ok(())
}

/// The files that are the same in equal runs, by their path in the run's folder.
fn files(run: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut todo = vec![run.join("metrics.jsonl"), run.join("init.safetensors"), run.join("checkpoint")];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(std::fs::read_dir(&path)?.flatten().map(|entry| entry.path()));
        } else {
            let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
            files.insert(path.strip_prefix(run)?.to_owned(), bytes);
        }
    }
    Ok(files)
}

fn same_files(a: &Path, b: &Path) -> Result<()> {
    let (a, b) = (files(a)?, files(b)?);
    ensure!(a.keys().eq(b.keys()), "the runs have different files: {:?} and {:?}", a.keys(), b.keys());
    let different: Vec<_> = a.keys().filter(|name| a[*name] != b[*name]).collect();
    ensure!(different.is_empty(), "these files differ: {different:?}");
    Ok(())
}

/// Resident memory and open handles of a process.
#[derive(Clone, Copy)]
struct Sample {
    kib: u64,
    handles: usize,
}

/// Measures a process, from `/proc`; `None` on systems without it.
fn sample(pid: u32) -> Option<Sample> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    Some(Sample { kib: kib?, handles: std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() })
}

/// Trains for `length`, then stops the run as a scheduler does.
fn endless_run(program: &Path, out: &Path, length: Duration) -> Result<()> {
    let mut child = start(program, &ENDLESS, out).spawn().context("cannot start the run")?;
    let (begun, mut samples) = (Instant::now(), Vec::new());
    let mut reported = Instant::now();
    while begun.elapsed() < length {
        std::thread::sleep(Duration::from_secs(1));
        if let Some(status) = child.try_wait()? {
            bail!("the run ended by itself ({status})");
        }
        samples.extend(sample(child.id()));
        if reported.elapsed() > Duration::from_secs(300) {
            reported = Instant::now();
            let last =
                samples.last().map_or(String::new(), |s| format!(", {} MiB, {} handles", s.kib >> 10, s.handles));
            println!("soak: {} min{last}", begun.elapsed().as_secs() / 60);
        }
    }
    stop(&mut child)?;
    let steps = check_controls(out)?;
    println!("soak: {steps} steps in {} min, no control differed in any bit", length.as_secs() / 60);
    if samples.is_empty() {
        println!("soak: this system has no /proc, so memory and handles were not watched");
        return Ok(());
    }
    check_growth(&samples)
}

fn stop(child: &mut std::process::Child) -> Result<()> {
    signals::terminate(child)?;
    let status = child.wait()?;
    ensure!(!cfg!(unix) || status.code() == Some(143), "SIGTERM ended the run with {status}, not with 143");
    Ok(())
}

/// Number of steps of the run; an error if a control differed after any of them.
fn check_controls(out: &Path) -> Result<u64> {
    let text = std::fs::read_to_string(out.join("metrics.jsonl"))?;
    let mut steps = 0;
    for line in text.lines() {
        let line: Value = serde_json::from_str(line)?;
        if line["kind"] == "step" {
            steps += 1;
            ensure!(CONTROLS.iter().all(|&control| line["differing"][control] == 0), "a control differs: {line}");
        }
    }
    ensure!(steps > 0, "the run took no step");
    Ok(steps)
}

/// Compares memory and handles in the last quarter of the time with those in the second, when everything has been allocated.
fn check_growth(samples: &[Sample]) -> Result<()> {
    let quarter = |n: usize| &samples[samples.len() * n / 4..samples.len() * (n + 1) / 4];
    let [early, late] = [1, 3].map(|n| quarter(n).iter().map(|sample| sample.kib).max().unwrap_or(0));
    // The minimum: while it saves, a run has one more file open.
    let [before, after] = [1, 3].map(|n| quarter(n).iter().map(|sample| sample.handles).min().unwrap_or(0));
    println!(
        "soak: memory at most {:.1} MiB in the second quarter and {:.1} MiB in the last, handles {before} and {after}",
        early as f64 / 1024.0,
        late as f64 / 1024.0
    );
    ensure!(late as f64 <= early as f64 * (1.0 + MOST_GROWTH), "memory grows");
    ensure!(after <= before, "handles leak");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_and_leaks_are_noticed() {
        let samples = |kib: fn(u64) -> u64, handles: fn(u64) -> u64| -> Vec<Sample> {
            (0..100).map(|i| Sample { kib: kib(i), handles: handles(i) as usize }).collect()
        };
        assert!(check_growth(&samples(|i| 100_000 + i % 7, |_| 20)).is_ok());
        assert!(check_growth(&samples(|i| 100_000 + 100 * i, |_| 20)).unwrap_err().to_string().contains("grows"));
        assert!(check_growth(&samples(|_| 100_000, |i| 20 + i / 50)).unwrap_err().to_string().contains("leak"));
    }

    #[test]
    fn unknown_flags_are_named() {
        let error = run(&["--hours".to_owned(), "1".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("--minutes") && error.contains("--hours"), "{error}");
    }
}

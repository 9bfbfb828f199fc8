//! Whatever happens to the machine, a run resumes with the same bits or reports why it cannot: kills, signals, damaged files, a clock
//! that jumps. `device_faults.rs` has the faults of a device.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::common::child::{kill, send_signal, spawn, stop, wait_for_step};
use crate::common::{
    Ended, Random, SMALL, assert_equal_runs, assert_refused, command, copy_folder, json_lines, lastbit, scratch, text,
    train,
};

/// Starts the small run.
fn start(flags: &[&str], out: &Path) -> Child {
    spawn(command([SMALL, flags, &["--out", text(out)]].concat()))
}

/// Length of a file in bytes, 0 if it does not exist.
fn bytes_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |data| data.len())
}

#[test]
fn kills_at_random_moments_change_no_byte() {
    let home = scratch("kills");
    let (whole, killed) = (home.join("whole"), home.join("killed"));
    // With a checkpoint after every step, most kills interrupt one.
    let flags = ["--steps", "60", "--checkpoint-every", "1step", "--resume"];
    train(&flags, &whole);
    let mut random = Random::new(7);
    for _ in 0..5 {
        let before = bytes_of(&killed.join("metrics.jsonl"));
        let mut child = start(&flags, &killed);
        // Kill it some steps later, however busy the machine is, and anywhere in a step.
        let further = 500 * random.below(16);
        while bytes_of(&killed.join("metrics.jsonl")) < before + further && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(random.below(40)));
        kill(child);
    }
    train(&flags, &killed);
    assert_equal_runs(&whole, &killed, &[59, 60]);
}

#[test]
fn sigterm_saves_and_asks_to_be_queued_again() {
    let home = scratch("sigterm");
    let (whole, stopped) = (home.join("whole"), home.join("stopped"));
    let flags = ["--steps", "200", "--resume"];
    let child = start(&flags, &stopped);
    wait_for_step(&stopped, 2);
    let ended = stop(child, "TERM");
    assert_eq!(ended.code, Some(143), "{ended:?}");
    assert!(ended.out.contains("--resume"), "{ended:?}");
    let steps = json_lines(&stopped.join("timing.jsonl")).len();
    assert!(steps < 200 && stopped.join(format!("checkpoint/step-{steps:06}")).is_dir());
    // A run with fewer steps than planned is still the same run.
    let last = (steps + 5).to_string();
    train(&["--steps", &last], &whole);
    fs::write(
        stopped.join("config.toml"),
        fs::read_to_string(stopped.join("config.toml")).unwrap().replace("steps = 200", &format!("steps = {last}")),
    )
    .unwrap();
    train(&["--resume"], &stopped);
    assert_equal_runs(&whole, &stopped, &[steps as u64 + 5]);
}

#[test]
fn the_signals_of_schedulers_save_even_twice() {
    use nix::libc;

    let home = scratch("signals");
    for (name, number) in
        [("HUP", libc::SIGHUP), ("USR1", libc::SIGUSR1), ("USR2", libc::SIGUSR2), ("XCPU", libc::SIGXCPU)]
    {
        let out = home.join(name);
        let child = start(&["--steps", "2000"], &out);
        wait_for_step(&out, 2);
        send_signal(&child, name);
        let ended = stop(child, name);
        assert_eq!(ended.code, Some(128 + number), "{name}: {ended:?}");
        assert!(ended.err.is_empty() && ended.out.contains("continue with: lastbit train"), "{name}: {ended:?}");
        let steps = json_lines(&out.join("timing.jsonl")).len();
        assert!(steps < 2000 && out.join(format!("checkpoint/step-{steps:06}")).is_dir(), "{name}");
    }
}

#[test]
fn what_nohup_ignores_stays_ignored() {
    let out = scratch("nohup").join("run");
    let line = [SMALL, &["--steps", "40", "--out", text(&out)]].concat();
    let mut nohup = Command::new("nohup");
    nohup.arg(command(&line).get_program()).args(&line).stdin(Stdio::null());
    let child = spawn(nohup);
    wait_for_step(&out, 2);
    let ended = stop(child, "HUP");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(json_lines(&out.join("timing.jsonl")).len(), 40);
}

#[test]
fn a_signal_stops_between_the_batches_of_an_evaluation() {
    let home = scratch("evaluation");
    let out = home.join("stopped");
    // Two steps, then 500 batches of an evaluation.
    let line = [SMALL, &["--steps", "2"]].concat();
    let line: Vec<&str> = line.iter().map(|part| if *part == "16" { "4000" } else { *part }).collect();
    let child = spawn(command([&line[..], &["--out", text(&out)]].concat()));
    wait_for_step(&out, 2);
    let ended = stop(child, "TERM");
    assert!(ended.code == Some(143) && ended.out.contains("stopped after step 2"), "{ended:?}");
    assert!(json_lines(&out.join("metrics.jsonl")).iter().all(|line| line["kind"] != "epoch"));
    assert!(out.join("checkpoint/step-000002").is_dir());
    let ended = lastbit(&["train", "--resume", "--out", text(&out)]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let whole = home.join("whole");
    assert_eq!(lastbit(&[&line[..], &["--out", text(&whole)]].concat()).code, Some(0));
    assert_equal_runs(&whole, &out, &[2]);
}

#[test]
fn a_signal_before_the_first_step_ends_at_once() {
    let home = scratch("start-up");
    let (config, data) = (home.join("config.toml"), home.join("data"));
    fs::create_dir(&data).unwrap();
    // Reading from a pipe waits until someone writes to it. This test writes the config, and no one writes the images.
    for pipe in [&config, &data.join("data_batch_1.bin")] {
        assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    }
    let flags = ["--config", text(&config), "--dataset", "cifar10", "--data-dir", text(&data)];
    for (name, code, adapter) in [
        ("INT", 130, &["--adapter", "processor"][..]),
        ("USR1", 128 + nix::libc::SIGUSR1, &["--adapter", "processor"]),
        ("INT", 130, &["--adapters", "processor,processor"]),
        ("TERM", 143, &["--adapters", "processor,processor"]),
    ] {
        let out = home.join("run");
        let line = [&["train", "--ks", "1,3,5", "--out", text(&out)], &flags[..], adapter].concat();
        let child = spawn(command(line));
        fs::write(&config, "batch-size = 8\n").unwrap();
        // The folder of parts is claimed before their images are read.
        while adapter[0] == "--adapters" && !out.join(".lock").exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let ended = stop(child, name);
        assert!(ended.code == Some(code) && ended.out.is_empty(), "{name} {adapter:?}: {ended:?}");
        assert_eq!(ended.err.trim(), "stopped before anything began: run the same command again", "{name} {adapter:?}");
        assert!(!out.join("config.toml").exists() && !out.join("parts.toml").exists());
    }
    // The folder that it leaves is not a run.
    train(&["--steps", "2"], &home.join("run"));
}

/// Damage to a run: `(name, damage, parts of the message)`.
type Case<'a> = (&'a str, &'a dyn Fn(&Path), &'a [&'a str]);

/// The content of every file below a folder, by path.
fn files_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files =
        |path: PathBuf| if path.is_dir() { files_of(&path) } else { [(path.clone(), fs::read(path).unwrap())].into() };
    paths.flat_map(files).collect()
}

/// Damages a copy of a finished run, resumes it with more steps, and returns the output. If `restarts`, no checkpoint is usable,
/// and the run restarts only with `--allow-changed`.
fn resumed(home: &Path, whole: &Path, name: &str, damage: &dyn Fn(&Path), restarts: bool) -> Ended {
    let run = home.join(name);
    copy_folder(&home.join("short"), &run);
    damage(&run);
    let mut flags = vec!["--steps", "10", "--resume"];
    if restarts {
        let before = files_of(&run);
        let ended = lastbit(&[SMALL, &flags, &["--out", text(&run)]].concat());
        assert_refused(&ended, 1, &["step-000006'", "step-000007'", "nothing was changed", "--allow-changed"]);
        assert!(files_of(&run) == before, "{name}: a refused run changed its files");
        flags.push("--allow-changed");
    }
    let ended = train(&flags, &run);
    assert_equal_runs(whole, &run, &[9, 10]);
    ended
}

#[test]
fn damage_is_noticed_and_no_step_is_lost_or_repeated() {
    let home = scratch("damages");
    let whole = home.join("whole");
    train(&["--steps", "10", "--checkpoint-every", "3steps"], &whole);
    train(&["--steps", "7", "--checkpoint-every", "3steps"], &home.join("short"));
    let flip = |file: &'static str, at: f64| {
        move |run: &Path| {
            let path = run.join(file);
            let mut bytes = fs::read(&path).unwrap();
            let at = (bytes.len() as f64 * at) as usize;
            bytes[at] ^= 4;
            fs::write(path, bytes).unwrap();
        }
    };
    let cut = |file: &'static str| {
        move |run: &Path| {
            let path = run.join(file);
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }
    };
    let newest = ["step-000007'", "SHA-256", "older"];
    let cases: [Case<'_>; 4] = [
        ("weights", &flip("checkpoint/step-000007/r1-k3.safetensors", 0.9), &newest),
        ("checkpoint manifest", &flip("checkpoint/step-000007/manifest.json", 0.6), &["step-000007'", "older"]),
        // A digit of an early line is changed, or half of the lines are cut: no later checkpoint counts.
        ("metrics", &flip("metrics.jsonl", 0.02), &["metrics.jsonl before it", "starting again"]),
        ("metrics cut", &cut("metrics.jsonl"), &["ahead of metrics.jsonl", "starting again"]),
    ];
    for (name, damage, parts) in cases {
        let ended = resumed(&home, &whole, name, damage, parts.contains(&"starting again"));
        assert!(parts.iter().all(|part| ended.err.contains(part)), "{name}: {ended:?}");
        assert!(ended.err.lines().all(|line| line.starts_with("warning: ")), "{name}: {ended:?}");
    }
}

#[test]
fn a_run_killed_before_its_first_checkpoint_restarts() {
    let home = scratch("first");
    let (whole, killed) = (home.join("whole"), home.join("killed"));
    train(&["--steps", "4"], &whole);
    copy_folder(&whole, &killed);
    fs::remove_file(killed.join("summary.json")).unwrap();
    // The state after a kill during the first checkpoint.
    let (complete, half) = (killed.join("checkpoint/step-000004"), killed.join("checkpoint/.step-000004.tmp"));
    fs::rename(complete, &half).unwrap();
    fs::remove_file(half.join("manifest.json")).unwrap();
    let ended = train(&["--steps", "4", "--resume"], &killed);
    assert!(ended.err.is_empty(), "{ended:?}");
    assert_equal_runs(&whole, &killed, &[4]);
}

#[test]
fn the_requested_number_of_checkpoints_stays() {
    let out = scratch("kept").join("run");
    train(&["--steps", "9", "--checkpoint-every", "2steps", "--keep-checkpoints", "3"], &out);
    let mut names: Vec<_> =
        fs::read_dir(out.join("checkpoint")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["step-000006", "step-000008", "step-000009"]);
}

/// A clock that jumps an hour back or a day forward whenever it is read.
#[cfg(target_os = "linux")]
const JUMPY_CLOCK: &str = r"
#define _GNU_SOURCE
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    static long looks;
    int result = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += (++looks % 2) ? -3600 : 86400;
    return result;
}
";

#[test]
#[cfg(target_os = "linux")]
fn a_clock_that_jumps_changes_nothing() {
    let home = scratch("clock");
    let (source, library) = (home.join("clock.c"), home.join("clock.so"));
    fs::write(&source, JUMPY_CLOCK).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
    assert!(built.is_ok_and(|status| status.success()), "this test needs a C compiler, as building lastbit does");
    let (calm, jumpy) = (home.join("calm"), home.join("jumpy"));
    let flags = ["--steps", "10", "--checkpoint-every", "1min", "--tensorboard"];
    train(&flags, &calm);
    let line = [SMALL, &flags, &["--out", text(&jumpy)]].concat();
    let ended: Ended = command(line).env("LD_PRELOAD", &library).output().unwrap().into();
    assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
    assert_equal_runs(&calm, &jumpy, &[10]);
    let seconds: f64 =
        json_lines(&jumpy.join("timing.jsonl")).iter().map(|line| line["seconds"].as_f64().unwrap()).sum();
    assert!((0.0..600.0).contains(&seconds), "{seconds}");
}

//! Whatever happens to the machine, a run resumes with the same bits or reports why it cannot: kills, signals, a lost device,
//! damaged files, a broken driver, numbers that stop being finite, a clock that jumps.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::common::child::{kill, send_signal, spawn, stop, wait_for_step};
use crate::common::{
    self, Ended, Random, SMALL, assert_equal_runs, assert_refused, command, copy_folder, json_lines, lastbit, scratch,
    text, train,
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

#[test]
fn a_run_resumes_after_a_lost_device() {
    let home = scratch("lost");
    let (whole, lost) = (home.join("whole"), home.join("lost"));
    let flags = ["--steps", "14", "--checkpoint-every", "4steps"];
    train(&flags, &whole);
    let ended = lastbit(&[SMALL, &flags, &["--lose-device", "10", "--out", text(&lost)]].concat());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.err.lines().count() == 1 && ended.err.contains("lost") && ended.err.contains("--resume"),
        "{ended:?}"
    );
    assert!(lost.join("checkpoint/step-000008").is_dir());
    train(&["--resume"], &lost);
    assert_equal_runs(&whole, &lost, &[12, 14]);
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

#[test]
fn another_adapter_or_shader_has_to_be_allowed() {
    let home = scratch("changed");
    let out = home.join("run");
    let keep = ["--checkpoint-every", "2steps", "--keep-checkpoints", "9"];
    train(&[&["--steps", "4"], &keep[..]].concat(), &out);
    // As if another driver had made the run: the manifest is complete and names that driver.
    let path = out.join("manifest.json");
    let before = fs::read_to_string(&path).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&before).unwrap();
    let environment = &manifest["environment"];
    let shaders = environment["shaders_sha256"].as_str().unwrap();
    let zero = "0".repeat(64);
    // Within one class another driver changes nothing.
    let [driver, class] = ["driver", "class"].map(|key| format!("\"{key}\": {}", environment[key]));
    let changed = before.replace(&driver, "\"driver\": \"another driver 1.2\"").replace(shaders, &zero);
    let changed = changed.replace(&class, "\"class\": \"neither\"");
    fs::write(&path, common::with_checksum(&changed)).unwrap();
    let line = [SMALL, &["--steps", "6", "--resume", "--out", text(&out)]].concat();
    assert_refused(
        &lastbit(&line),
        2,
        &[
            "the driver ('another driver 1.2', now '",
            "the shaders ('000",
            "the class ('neither', now '",
            "--allow-changed",
        ],
    );
    let ended = lastbit(&[&line[..], &["--allow-changed"]].concat());
    assert!(ended.code == Some(0) && ended.err.contains("its bits may differ"), "{ended:?}");
    let changes = || serde_json::from_slice::<serde_json::Value>(&fs::read(&path).unwrap()).unwrap()["changes"].clone();
    assert_eq!((&changes()[0]["from_step"], &changes()[1]), (&4.into(), &serde_json::Value::Null));

    // Every command names the steps that another driver computed.
    let whole = home.join("whole");
    train(&["--steps", "6"], &whole);
    let change = "the driver of steps 1 to 4 ('another driver 1.2', now '";
    let ended = lastbit(&["verify", text(&out)]);
    assert!(ended.code == Some(0) && ended.err.contains(change), "{ended:?}");
    let ended = lastbit(&["verify", text(&out), "--steps", "5..6"]);
    assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
    let ended = lastbit(&["compare", text(&out), text(&whole)]);
    assert!(ended.code == Some(0) && ended.out.contains(change), "{ended:?}");
    let page = fs::read_to_string(out.join("compare.html")).unwrap();
    assert!(page.contains("another driver 1.2; from step 5 on "), "the page does not name both drivers");

    // When a run goes back to an older checkpoint, the manifest's entries for the lost steps go back, too. A change that was accepted
    // once needs no flag again.
    for (gone, left) in [(&["step-000006"][..], 4), (&["step-000006", "step-000004"], 2)] {
        gone.iter().for_each(|step| fs::remove_dir_all(out.join("checkpoint").join(step)).unwrap());
        // Without its summary the run is not finished.
        fs::remove_file(out.join("summary.json")).unwrap();
        let ended = lastbit(&line);
        assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
        assert_eq!((&changes()[0]["from_step"], &changes()[1]), (&left.into(), &serde_json::Value::Null));
    }
    assert_equal_runs(&whole, &out, &[6]);
}

#[test]
fn a_driver_that_breaks_a_promise_is_named() {
    let home = scratch("broken");
    for (check, seen) in
        [("division", "quotients are wrong"), ("control", "k = 2"), ("tiles", "tiles of 2 rows"), ("loss", "known")]
    {
        let out = home.join(check);
        let line = [SMALL, &["--steps", "2", "--break-device", check, "--out", text(&out)]].concat();
        assert_refused(&lastbit(&line), 1, &["breaks a promise", check, seen, "--on-broken-device warn"]);
        assert!(!out.exists());
    }
    let out = home.join("warned");
    let ended = train(&["--steps", "2", "--break-device", "tiles", "--on-broken-device", "warn"], &out);
    assert!(ended.err.contains("warning: adapter") && ended.err.contains("the default tiles"), "{ended:?}");
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    assert!(manifest["environment"]["broken"][0].as_str().unwrap().starts_with("tiles: "), "{manifest}");
    // Resuming on a sound adapter is a change.
    let line = [SMALL, &["--steps", "3", "--resume", "--out", text(&out)]].concat();
    assert_refused(&lastbit(&line), 2, &["the self-test", "--allow-changed"]);
}

/// Images are read while the adapter is tested. The error does not depend on which of them finishes first.
#[test]
fn bad_images_are_reported_before_a_broken_driver() {
    let home = scratch("bad-images");
    let (data, out) = (home.join("data"), home.join("run"));
    fs::create_dir(&data).unwrap();
    for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
        let label = if name == "data_batch_2" { 200 } else { 0 };
        fs::write(data.join(format!("{name}.bin")), [&[label][..], &[0; 3072]].concat()).unwrap();
    }
    for policy in ["refuse", "warn"] {
        let broken = ["--break-device", "tiles", "--on-broken-device", policy];
        let line = [&["train", "--data-dir", text(&data), "--out", text(&out)][..], &broken].concat();
        assert_refused(&lastbit(&line), 1, &["data_batch_2.bin", "label 200"]);
        assert!(!out.exists());
    }
}

#[test]
fn numbers_that_stop_being_finite_are_located() {
    let out = scratch("not-finite").join("run");
    let ended = train(&["--steps", "4", "--lr", "1e30"], &out);
    let warnings: Vec<_> = ended.err.lines().collect();
    assert_eq!(warnings.len(), 3, "each replica must have one warning: {ended:?}");
    for (replica, line) in warnings.iter().enumerate() {
        assert!(line.starts_with("warning: step ") && line.contains(&format!("replica {replica} (k = ")), "{line}");
        assert!(line.contains("layer 'bn1'") && line.contains("replicas continue"), "{line}");
    }
    // If no replica is finite, equal bits prove nothing.
    let lost = ended.out.lines().find(|line| line.starts_with("step 4/4")).unwrap();
    assert_eq!(lost.matches("rel_l1 not finite").count(), 2, "{lost}");
    assert!(lost.ends_with("control: cannot tell, the numbers are not finite"), "{lost}");
    assert!(!ended.out.contains("green") && ended.out.contains("\ncontrol: cannot tell"), "{ended:?}");
    let table: Vec<&str> = ended.out.lines().skip_while(|line| !line.starts_with("replica ")).skip(1).take(3).collect();
    assert!(table.iter().all(|row| row.matches("not finite").count() >= 4), "{table:?}");
    let summary = || {
        let bytes = fs::read(out.join("summary.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["control"].clone()
    };
    let control = summary();
    assert!(control["green"] == false && control["not_finite"] == true && control["first_red_step"].is_null());
    assert!(fs::read_to_string(out.join("report.html")).unwrap().contains("Control not finite"));

    // A resumed run names the step at which it happened, not the step at which it is noticed again.
    let first = |line: &&str| line.split(':').nth(1).unwrap().to_owned();
    let resumed = train(&["--steps", "6", "--lr", "1e30", "--resume"], &out);
    let again: Vec<_> = resumed.err.lines().collect();
    assert_eq!(again.iter().map(first).collect::<Vec<_>>(), warnings.iter().map(first).collect::<Vec<_>>());
    assert!(again.iter().all(|line| line.contains(", at step 5 first in layer '")), "{resumed:?}");
    assert_eq!(lastbit(&["verify", text(&out)]).code, Some(0));
}

#[test]
fn weights_that_are_lost_in_the_last_step_are_reported() {
    let out = scratch("lost-last").join("run");
    let ended = train(&["--steps", "1", "--lr", "1e30", "--weight-decay", "3e38"], &out);
    let warnings: Vec<_> = ended.err.lines().collect();
    assert_eq!(warnings.len(), 3, "{ended:?}");
    for (replica, line) in warnings.iter().enumerate() {
        let start = format!("warning: after step 1 the weights of replica {replica} (k = ");
        assert!(line.starts_with(&start) && line.contains("not finite"), "{line}");
    }
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(
        page.contains("Whether k\u{a0}=\u{a0}3 left k\u{a0}=\u{a0}1 is unknown") && !page.contains("did not leave"),
        "the page calls the run healthy"
    );
    // Neither the table nor a chart shows a distance.
    assert!(!page.contains("0 ulp") && !page.contains(": 0 at step 1"), "the page has distances of lost replicas");
    assert!(page.contains("Control not finite") && !page.contains("relative L1 at step 1"));
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

//! Runs that were stopped, killed or damaged, or that ran out of disk space, resume with the same bits.

#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use crate::common::child::{kill, spawn, stop, wait_for_step};
use crate::common::{
    Ended, SMALL, assert_equal_runs, assert_refused, command, json_lines, lastbit, scratch, text, train,
};

/// Starts a run and waits until its metrics have `steps` steps.
fn running(flags: &[&str], out: &Path, steps: usize) -> Child {
    let line = [SMALL, flags, &["--out", text(out)]].concat();
    let child = spawn(command(line));
    wait_for_step(out, steps);
    child
}

#[test]
fn ctrl_c_saves_and_the_same_command_resumes() {
    let home = scratch("interrupt");
    let (whole, stopped) = (home.join("whole"), home.join("stopped"));
    let flags = ["--steps", "60", "--resume"];
    train(&flags, &whole);
    let mut last = 0;
    for at in [3, 21] {
        let ended = stop(running(&flags, &stopped, at), "INT");
        assert_eq!(ended.code, Some(130), "{ended:?}");
        assert!(ended.out.contains("--resume"), "{ended:?}");
        let saved = json_lines(&stopped.join("timing.jsonl")).len();
        assert!(saved > last && saved < 60, "stopped after step {saved}");
        assert!(stopped.join(format!("checkpoint/step-{saved:06}")).is_dir());
        let report = fs::read_to_string(stopped.join("report.html")).unwrap();
        assert!(report.contains(&format!("not finished: the report shows it after step {saved} of 60")));
        last = saved;
    }
    train(&flags, &stopped);
    assert_equal_runs(&whole, &stopped, &[56, 60]);
    assert_eq!(json_lines(&stopped.join("timing.jsonl")).len(), 60);
    // The run is finished: the same command changes nothing.
    let before = fs::read(stopped.join("metrics.jsonl")).unwrap();
    let ended = train(&flags, &stopped);
    assert!(ended.out.lines().count() == 1 && ended.out.contains("finished after 60 steps"), "{ended:?}");
    assert_eq!(fs::read(stopped.join("metrics.jsonl")).unwrap(), before);
}

#[test]
fn a_killed_run_resumes_from_its_last_checkpoint() {
    let home = scratch("kill");
    let (whole, killed) = (home.join("whole"), home.join("killed"));
    let flags = ["--steps", "30", "--checkpoint-every", "5steps", "--resume"];
    train(&flags, &whole);
    assert_eq!(stop(running(&flags, &killed, 13), "KILL").code, None);
    train(&flags, &killed);
    assert_equal_runs(&whole, &killed, &[25, 30]);
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before() {
    let home = scratch("damage");
    let (whole, damaged) = (home.join("whole"), home.join("damaged"));
    train(&["--steps", "14", "--checkpoint-every", "4steps"], &whole);
    train(&["--steps", "12", "--checkpoint-every", "4steps"], &damaged);
    let file = damaged.join("checkpoint/step-000012/r1-k3.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let ended = train(&["--steps", "14", "--resume"], &damaged);
    assert!(ended.err.lines().count() == 1 && ended.err.contains("step-000012' cannot be used"), "{ended:?}");
    assert!(ended.out.contains("from step 8"), "{ended:?}");
    assert_equal_runs(&whole, &damaged, &[12, 14]);
    // Without any checkpoint the run restarts, with the same bits.
    fs::remove_dir_all(damaged.join("checkpoint")).unwrap();
    fs::remove_file(damaged.join("summary.json")).unwrap();
    train(&["--steps", "14", "--resume"], &damaged);
    assert_equal_runs(&whole, &damaged, &[12, 14]);
}

#[test]
fn a_run_can_be_extended_but_not_changed() {
    let home = scratch("longer");
    let (whole, grown) = (home.join("whole"), home.join("grown"));
    train(&["--steps", "13"], &whole);
    train(&["--steps", "5"], &grown);
    let ended = lastbit(&[SMALL, &["--out", text(&grown)]].concat());
    assert_refused(&ended, 2, &["--out", "--resume"]);
    for (flag, value) in [("--lr", "0.2"), ("--steps", "4"), ("--seed", "2"), ("--init", "x")] {
        let ended = lastbit(&["train", "--resume", "--out", text(&grown), flag, value]);
        assert_refused(&ended, 2, &[flag, "the run in"]);
    }
    train(&["--steps", "13", "--resume"], &grown);
    assert_equal_runs(&whole, &grown, &[8, 13]);
    assert_eq!(fs::read(whole.join("config.toml")).unwrap(), fs::read(grown.join("config.toml")).unwrap());
}

#[test]
fn an_extended_run_may_be_killed_before_its_next_checkpoint() {
    let home = scratch("longer-killed");
    let (whole, grown) = (home.join("whole"), home.join("grown"));
    let flags = ["--steps", "40", "--checkpoint-every", "1000steps", "--resume"];
    train(&flags, &whole);
    train(&["--steps", "5"], &grown);
    assert_eq!(stop(running(&flags, &grown, 7), "KILL").code, None);
    let ended = train(&flags, &grown);
    assert!(ended.err.is_empty() && ended.out.contains("from step 5"), "{ended:?}");
    assert_equal_runs(&whole, &grown, &[40]);
}

#[test]
fn a_second_writer_is_refused() {
    let home = scratch("writers");
    let out = home.join("run");
    let child = running(&["--steps", "100000", "--resume"], &out, 2);
    let ended = lastbit(&[SMALL, &["--steps", "100000", "--resume", "--out", text(&out)]].concat());
    assert_refused(&ended, 1, &["another lastbit"]);
    assert_eq!(stop(child, "INT").code, Some(130));
}

/// Runs the program with files limited to `blocks` blocks of 512 bytes, which simulates a full disk without root.
fn with_small_disk(blocks: u32, line: &[&str]) -> Ended {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let program = env!("CARGO_BIN_EXE_lastbit");
    Command::new("sh").args(["-c", &script, program]).args(line).env_remove("RUST_BACKTRACE").output().unwrap().into()
}

#[test]
fn a_full_disk_loses_nothing_that_was_written() {
    let home = scratch("full");
    let (whole, full) = (home.join("whole"), home.join("full"));
    // With few layer lines the metrics stay below the limit, so that the checkpoint fails.
    train(&["--steps", "14", "--log-every", "100"], &whole);
    train(&["--steps", "8", "--log-every", "100"], &full);
    let line = [SMALL, &["--steps", "14", "--log-every", "100", "--resume", "--out", text(&full)]].concat();
    let ended = with_small_disk(64, &line);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.err.lines().count() == 1 && ended.err.contains("step-000014") && ended.err.contains("--resume"),
        "{ended:?}"
    );
    assert!(full.join("checkpoint/step-000008/optimizer.safetensors").is_file());
    assert!(!full.join("checkpoint/step-000014").exists());
    train(&["--steps", "14", "--resume"], &full);
    assert_equal_runs(&whole, &full, &[8, 14]);
}

#[test]
fn a_run_that_ends_in_its_first_step_restarts_without_its_flags() {
    let home = scratch("first-step");
    let whole = home.join("whole");
    train(&["--steps", "3"], &whole);
    let again = |name: &str, failed: &dyn Fn(&[&str]) -> Ended, parts: &[&str]| {
        let out = home.join(name);
        let ended = failed(&[SMALL, &["--steps", "3", "--out", text(&out)]].concat());
        assert_eq!(ended.code, Some(1), "{name}: {ended:?}");
        let lines: Vec<_> = ended.err.lines().collect();
        assert!(lines.len() == 1 && parts.iter().all(|part| lines[0].contains(part)), "{name}: {ended:?}");
        let ended = lastbit(&["train", "--resume", "--out", text(&out)]);
        assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
        assert_equal_runs(&whole, &out, &[3]);
    };
    again("lost", &|line| lastbit(&[line, &["--lose-device", "0"]].concat()), &["lost", "--resume"]);
    // 4 KiB: enough for the config and the metrics of a step, but not for the initial weights.
    again("full", &|line| with_small_disk(8, line), &["init.safetensors"]);
    // Killed before it reports its first step, as soon as the config exists.
    let out = home.join("killed");
    let line = [SMALL, &["--steps", "3", "--out", text(&out)]].concat();
    let mut child = spawn(command(line));
    while !out.join("config.toml").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended without a config");
        std::thread::sleep(Duration::from_millis(1));
    }
    kill(child);
    let ended = lastbit(&["train", "--resume", "--out", text(&out)]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_equal_runs(&whole, &out, &[3]);
    // Killed even earlier: there is no config, and the default run must not start instead.
    let out = home.join("nothing");
    for more in [&[][..], &["--steps", "5", "--adapter", "processor"], &["--adapters", "0,0"]] {
        let ended = lastbit(&[&["train", "--resume", "--out", text(&out)], more].concat());
        assert_refused(&ended, 2, &["--resume", "holds no run", "flags"]);
        assert!(!out.exists());
    }
    // Killed while it wrote the config.
    fs::create_dir(&out).unwrap();
    for (file, content) in
        [("metrics.jsonl", ""), ("timing.jsonl", ""), (".lock", ""), (".config.toml.tmp", "net = \"res")]
    {
        fs::write(out.join(file), content).unwrap();
    }
    assert_refused(&lastbit(&["train", "--resume", "--out", text(&out)]), 2, &["holds no run", "flags"]);
    train(&["--steps", "3", "--resume"], &out);
    assert_equal_runs(&whole, &out, &[3]);
    let out = home.join("killed");
    // A power failure may leave the config empty. The program does not guess which run it was.
    fs::write(out.join("config.toml"), "").unwrap();
    assert_refused(
        &lastbit(&["train", "--resume", "--out", text(&out)]),
        1,
        &["config.toml is empty", "put its config back"],
    );
}

#[test]
#[cfg(target_os = "linux")]
fn places_that_cannot_be_written_are_named() {
    let home = scratch("unwritable");
    let file = home.join("file");
    fs::write(&file, "in the way").unwrap();
    for out in [file.clone(), file.join("run"), "/sys/lastbit/run".into()] {
        let ended = lastbit(&[SMALL, &["--steps", "1", "--out", text(&out)]].concat());
        assert_refused(&ended, 2, &[text(&out)]);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "in the way");
    // Every write to this device fails as on a full disk.
    let out = home.join("device");
    fs::create_dir(&out).unwrap();
    std::os::unix::fs::symlink("/dev/full", out.join("metrics.jsonl")).unwrap();
    let ended = lastbit(&[SMALL, &["--steps", "1", "--out", text(&out)]].concat());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.err.lines().count() == 1 && ended.err.contains("metrics.jsonl") && ended.err.contains("room"),
        "{ended:?}"
    );
}

//! Several adapters: a run whose replicas are split into parts, and a reproduction that trains several runs at the same time. The
//! tests use one adapter twice, as two independent devices.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

#[cfg(unix)]
use crate::common::child::stop;
use crate::common::child::{kill, spawn, wait_for_step};
use crate::common::{
    Ended, FIG2, SMALL, assert_equal_runs, assert_refused, command, files_in, json_lines, lastbit, scratch, text, train,
};

/// Flags that split the small run's four replicas into two parts. `--ks` replaces the one that [`small`] drops.
const FOUR: &[&str] = &["--ks", "1,3,2,5", "--adapters", "0,0"];

/// The small run without its `--ks`.
fn small() -> Vec<&'static str> {
    SMALL[..SMALL.len() - 2].to_vec()
}

fn four(flags: &[&str], out: &Path) -> Ended {
    lastbit(&[&small(), FOUR, flags, &["--out", text(out)]].concat())
}

fn parts(out: &Path) -> [PathBuf; 2] {
    [0, 1].map(|part| out.join(format!("part-{part}")))
}

/// The lines reduced to the values of the replica at `position`, without `layers` lines of other replicas.
fn of_replica(lines: &[Value], position: usize) -> Vec<Value> {
    let reduced = |line: &Value| {
        if line["kind"] == "layers" {
            let mut line = line.clone();
            let is_mine = line["replica"] == position;
            line["replica"] = Value::Null;
            return is_mine.then_some(line);
        }
        let one = |(key, value): (&String, &Value)| {
            let value = if value.is_array() { &value[position] } else { value };
            (key.clone(), value.clone())
        };
        Some(line.as_object().unwrap().iter().map(one).collect())
    };
    lines.iter().filter_map(reduced).collect()
}

/// Starts the run of four replicas and waits until both parts have recorded `steps` steps.
fn running(flags: &[&str], out: &Path, steps: usize) -> Child {
    let line = [&small(), FOUR, flags, &["--out", text(out)]].concat();
    let child = spawn(command(line));
    parts(out).iter().for_each(|part| wait_for_step(part, steps));
    child
}

#[test]
fn each_replica_of_a_part_equals_that_of_the_whole_run() {
    let home = scratch("parts-equal");
    let (alone, out) = (home.join("alone"), home.join("parts"));
    let ended = lastbit(&[&small(), &FOUR[..2], &["--steps", "10", "--out", text(&alone)]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = four(&["--steps", "10"], &out);
    assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
    assert!(ended.out.contains("the reference has the same bits on all adapters"), "{ended:?}");
    assert!(
        ended.out.contains("part 0: step 10/10: k=1") && ended.out.contains("part 1: step 10/10: k=1"),
        "{ended:?}"
    );

    let whole = json_lines(&alone.join("metrics.jsonl"));
    let whole_summary: Value = serde_json::from_slice(&fs::read(alone.join("summary.json")).unwrap()).unwrap();
    // The positions of a part's replicas in the whole run.
    for (part, positions) in parts(&out).iter().zip([&[0, 1][..], &[0, 2, 3]]) {
        let lines = json_lines(&part.join("metrics.jsonl"));
        let summary: Value = serde_json::from_slice(&fs::read(part.join("summary.json")).unwrap()).unwrap();
        assert_eq!(summary["ks"].as_array().unwrap().len(), positions.len());
        for (here, &there) in positions.iter().enumerate() {
            let (mine, expected) = (of_replica(&lines, here), of_replica(&whole, there));
            assert!(expected.len() > 20, "too few lines to compare: {}", expected.len());
            assert_eq!(mine, expected, "replica {there}");
            assert_eq!(summary["fingerprints"][here], whole_summary["fingerprints"][there]);
        }
        // A part is an ordinary run.
        let config = part.join("config.toml");
        assert!(fs::read_to_string(&config).unwrap().contains("adapter = \"0\""));
        let ended = lastbit(&["verify", text(part)]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let page = roxmltree::Document::parse_with_options(&page, options).unwrap();
    let words: String = page.descendants().filter(|node| node.is_text()).filter_map(|node| node.text()).collect();
    for expected in ["one reference", "k = 3: ", "k = 2: ", "k = 5: "] {
        assert!(words.contains(expected), "'{expected}' is missing");
    }
    for link in page.descendants().filter_map(|node| node.attribute("href")) {
        assert!(out.join(link).is_file(), "the page links '{link}', which does not exist");
    }

    // The run is finished: the same command changes nothing.
    let ended = four(&["--steps", "10", "--resume"], &out);
    assert!(ended.code == Some(0) && ended.out.lines().count() == 1, "{ended:?}");
    assert!(ended.out.contains("finished after 10 steps"), "{ended:?}");
    // A reference that differs is reported on the rebuilt page. The checkpoints are sealed again, as if the run had written this.
    let part = &parts(&out)[1];
    let metrics = fs::read_to_string(part.join("metrics.jsonl")).unwrap();
    let first: Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    assert_eq!((&first["kind"], &first["step"]), (&Value::from("step"), &Value::from(1)));
    let loss = first["loss"][0].to_string();
    let other = format!("{}{}", &loss[..loss.len() - 1], if loss.ends_with('1') { '2' } else { '1' });
    let metrics = metrics.replacen(&loss, &other, 1);
    fs::write(part.join("metrics.jsonl"), &metrics).unwrap();
    for checkpoint in fs::read_dir(part.join("checkpoint")).unwrap() {
        let path = checkpoint.unwrap().path().join("manifest.json");
        let text = fs::read_to_string(&path).unwrap();
        let manifest: Value = serde_json::from_str(&text).unwrap();
        let before = &metrics.as_bytes()[..manifest["metrics"]["bytes"].as_u64().unwrap() as usize];
        let sealed = format!("{:x}", Sha256::digest(before));
        fs::write(path, text.replace(manifest["metrics"]["sha256"].as_str().unwrap(), &sealed)).unwrap();
    }
    assert_eq!(four(&["--resume"], &out).code, Some(0));
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(
        page.contains("several references") && page.contains("from step 1 on, the first copy of part 1 has other bits")
    );
}

#[test]
#[cfg(unix)]
fn stopped_and_killed_parts_resume_with_the_same_files() {
    let home = scratch("parts-stopped");
    let (whole, stopped) = (home.join("whole"), home.join("stopped"));
    let flags = ["--steps", "60", "--checkpoint-every", "5steps", "--resume"];
    let ended = four(&flags, &whole);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = stop(running(&flags, &stopped, 3), "INT");
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.out.contains("continue with: lastbit train --adapters '0,0' --out"), "{ended:?}");
    for part in parts(&stopped) {
        let last = json_lines(&part.join("timing.jsonl")).len();
        assert!((3..60).contains(&last), "stopped after step {last}");
        assert!(part.join(format!("checkpoint/step-{last:06}")).is_dir());
    }
    assert_eq!(stop(running(&flags, &stopped, 20), "KILL").code, None);
    // The folder records the run, so the command needs no more flags than these.
    let ended = lastbit(&["train", "--adapters", "0,0", "--resume", "--out", text(&stopped)]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for (mine, other) in parts(&whole).iter().zip(parts(&stopped)) {
        assert_equal_runs(mine, &other, &[55, 60]);
        let read = |run: &Path| fs::read(run.join("config.toml")).unwrap();
        assert_eq!(read(mine), read(&other));
    }
    assert_eq!(fs::read(whole.join("parts.toml")).unwrap(), fs::read(stopped.join("parts.toml")).unwrap());
}

#[test]
fn a_part_that_fails_stops_the_others_which_are_saved() {
    let home = scratch("parts-failing");
    let (whole, out) = (home.join("whole"), home.join("out"));
    assert_eq!(four(&["--steps", "4"], &out).code, Some(0));
    let weights = parts(&out)[1].join("checkpoint/step-000004/r1-k2.safetensors");
    let before = fs::read(&weights).unwrap();
    let mut damaged = before.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&weights, damaged).unwrap();
    // With so many steps the other part ends only because it is asked to.
    let ended = four(&["--steps", "1000000", "--resume"], &out);
    let messages = ["part 1 (adapter 0)", "the other parts are saved", "--resume", "step-000004"];
    assert_refused(&Ended { out: String::new(), ..ended }, 1, &messages);
    let last = json_lines(&parts(&out)[0].join("timing.jsonl")).len();
    assert!(parts(&out)[0].join(format!("checkpoint/step-{last:06}")).is_dir());
    // With the file restored, the same command resumes. It would take too long, so it is killed once both parts are ahead of
    // where they stopped.
    fs::write(&weights, before).unwrap();
    let child = running(&["--steps", "1000000", "--resume"], &out, last + 5);
    kill(child);
    // The first lines are those of an undisturbed run.
    assert_eq!(four(&["--steps", "6"], &whole).code, Some(0));
    for (mine, other) in parts(&whole).iter().zip(parts(&out)) {
        let [mine, other] = [mine, &other].map(|run| fs::read_to_string(run.join("metrics.jsonl")).unwrap());
        let steps = |text: &str| -> Vec<String> {
            text.lines().filter(|line| line.contains("\"kind\":\"step\"")).take(6).map(str::to_owned).collect()
        };
        assert_eq!(steps(&mine), steps(&other));
    }
}

#[test]
fn bad_command_lines_are_refused_and_leave_nothing() {
    let home = scratch("parts-refused");
    let out = home.join("out");
    let at = |flags: &[&str]| lastbit(&[&small(), flags, &["--out", text(&out)]].concat());
    for (flags, parts) in [
        (&["--ks", "1,3", "--adapters", "0,0"][..], &["--adapters", "--ks at least two besides", "or --adapter"][..]),
        (&["--ks", "1,3,5", "--adapters", "0"], &["--adapters", "1 given", "2 replicas", "or --adapter"]),
        (&["--ks", "1,3,5", "--adapters", "0,99"], &["part 1 (adapter 99): no adapter", "available: "]),
        (&["--ks", "1,3,5", "--adapters", "0,no such"], &["part 1", "no such"]),
        (&["--ks", "1,3,5", "--adapters", "0,0", "--adapter", "0"], &["--adapters", "--adapter"]),
        (&["--ks", "1,3,5", "--adapters", "0,0", "--json"], &["--adapters", "--json"]),
        (&["--ks", "1,3,64", "--adapters", "0,0"], &["--ks", "64"]),
        (&["--ks", "1,3,2", "--adapters", "0,0", "--flip-bit", "conv1.weight:0:1:2"], &["--flip-bit", "--adapter"]),
    ] {
        assert_refused(&at(flags), 2, parts);
        assert!(!out.exists(), "{flags:?} left files behind");
    }
    assert_refused(
        &at(&["--ks", "1,3,5", "--adapters", "0,0", "--init", "no/such/file"]),
        2,
        &["--init", "no/such/file"],
    );
    assert!(!out.exists());
    // A run on one adapter, a folder in use, a command without --adapters, another number of parts, and other replicas.
    train(&["--steps", "1"], &out);
    assert_refused(&four(&["--steps", "1", "--resume"], &out), 2, &["--out", "one adapter"]);
    fs::remove_dir_all(&out).unwrap();
    assert_eq!(four(&["--steps", "1"], &out).code, Some(0));
    assert_refused(&four(&["--steps", "1"], &out), 2, &["--out", "--resume"]);
    assert_refused(&at(&["--ks", "1,3", "--resume"]), 2, &["--out", "in parts", "--adapters"]);
    let three = ["--ks", "1,3,2,5", "--adapters", "0,0,0", "--resume"];
    assert_refused(&at(&three), 2, &["--adapters", "2 parts", "not 3"]);
    let others = ["--ks", "1,3,2,7", "--adapters", "0,0", "--resume"];
    assert_refused(&at(&others), 2, &["--ks", "[1, 3, 2, 5]"]);
    // The folder of parts is not a run itself.
    let folder = text(&out);
    for line in [&["report", folder][..], &["verify", folder], &["compare", folder, folder]] {
        assert_refused(&lastbit(line), 2, &["holds a run in parts", "part-0"]);
    }
}

#[test]
fn a_dry_run_describes_each_part_and_writes_nothing() {
    let out = scratch("parts-dry").join("out");
    let ended = four(&["--steps", "4", "--dry-run"], &out);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for part in ["part 0 (adapter 0)", "k = [1, 3]", "part 1 (adapter 0)", "k = [1, 2, 5]"] {
        assert!(ended.out.contains(part), "'{part}' is missing: {ended:?}");
    }
    assert_eq!(ended.out.matches("time ").count(), 2, "{ended:?}");
    assert!(!out.exists());
}

#[test]
fn a_reproduction_on_two_adapters_has_the_same_files() {
    let home = scratch("reproduce-adapters");
    let [one, two, whole] = ["one", "two", "whole"].map(|name| home.join(name));
    let ended = lastbit(&[FIG2, &["--adapter", "0", "--out", text(&one)]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ended = lastbit(&[FIG2, &["--adapters", "0,0", "--out", text(&whole)]].concat());
    assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
    assert!(ended.out.contains("runs are trained on 2 at a time"), "{ended:?}");
    assert!(ended.out.contains("n2-seed2: step 6/6") && !ended.out.contains("[1/6] run"), "{ended:?}");
    assert_eq!(files_in(&one), files_in(&whole));
    let several = [FIG2, &["--adapters", "0,0", "--out", text(&two)]].concat();
    // Killed in the middle of its runs, it resumes with the same command.
    let child = spawn(command(&several));
    wait_for_step(&two.join("runs/n2-seed1"), 3);
    wait_for_step(&two.join("runs/n2-seed1-nextafter"), 1);
    kill(child);
    let ended = lastbit(&several);
    assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
    assert_eq!(files_in(&one), files_in(&two));
    for run in ["n2-seed1", "n2-seed1-nextafter", "n2-seed2"] {
        assert_equal_runs(&one.join("runs").join(run), &two.join("runs").join(run), &[6]);
    }
    // The same folder also resumes with one adapter.
    let ended = lastbit(&[FIG2, &["--out", text(&two)]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(files_in(&one), files_in(&two));

    let refused = home.join("refused");
    for (line, parts) in [
        (&["reproduce", "fig1", "--quick", "--adapters", "0,0"][..], &["--adapters", "fig1", "--adapter"][..]),
        (&[FIG2, &["--adapters", "0"]].concat(), &["--adapters", "at least two"]),
        (&[FIG2, &["--adapters", "0,99"]].concat(), &["adapter 99: no adapter", "available: "]),
        (&[FIG2, &["--adapters", "no such,0"]].concat(), &["adapter no such: ", "available: "]),
        (&[FIG2, &["--adapter", "99"]].concat(), &["error: --adapter: ", "99", "available: "]),
        (&[FIG2, &["--adapters", "0,0", "--adapter", "0"]].concat(), &["--adapters", "--adapter"]),
    ] {
        assert_refused(&lastbit(&[line, &["--out", text(&refused)]].concat()), 2, parts);
        assert!(!refused.exists(), "{line:?} left files behind");
    }
}

#[test]
fn a_run_that_fails_beside_another_ends_both() {
    let out = scratch("reproduce-adapters-failing").join("out");
    let replaced = FIG2.iter().map(|part| if *part == "6" { "100000" } else { *part }).collect::<Vec<_>>();
    let line = [&replaced[..], &["--adapters", "0,0", "--out", text(&out)]].concat();
    let child = spawn(command(&line));
    wait_for_step(&out.join("runs/n2-seed1"), 1);
    wait_for_step(&out.join("runs/n2-seed1-nextafter"), 1);
    kill(child);
    // A folder takes the place of a file of the second run, which fails while the first one trains.
    let weights = out.join("runs/n2-seed1-nextafter/init.safetensors");
    fs::remove_file(&weights).unwrap();
    fs::create_dir(&weights).unwrap();
    let timing = out.join("runs/n2-seed1/timing.jsonl");
    let before = fs::read(&timing).unwrap();
    let ended = lastbit(&line);
    assert_refused(&Ended { out: String::new(), ..ended }, 1, &["adapter 0", "n2-seed1-nextafter", "init.safetensors"]);
    // The other run is saved after its last step, unless it was stopped before its first step.
    if fs::read(&timing).unwrap() != before {
        let steps = json_lines(&timing).len();
        assert!(out.join(format!("runs/n2-seed1/checkpoint/step-{steps:06}")).is_dir() || steps == 0, "{steps}");
    }
}

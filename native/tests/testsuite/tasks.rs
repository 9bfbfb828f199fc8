//! `lastbit reproduce --tasks` and `--task I`: tasks in one folder end as the line without `--task` does, byte for byte.

use std::collections::BTreeMap;
use std::path::Path;

#[cfg(unix)]
use crate::common::child::stop;
use crate::common::child::{kill, spawn, wait_for_step};
use crate::common::{Ended, assert_refused, command, lastbit, scratch, text};

/// Four runs that are long enough to be stopped in the middle.
const LINE: &str = "reproduce fig2 --quick --net resnet8 --dataset synthetic --batch-size 4 --ns 2,8 --steps 60 --test-limit 16 \
                    --perturbation divide,nextafter";

fn at<'a>(out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&LINE.split_whitespace().collect::<Vec<_>>()[..], &["--out", text(out)], more].concat()
}

fn succeeds(arguments: &[&str]) -> Ended {
    let ended = lastbit(arguments);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

/// All files of a reproduction by path, except the times of steps.
pub fn all_files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn collect(folder: &Path, at: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(folder, &path, files);
            } else if path.file_name().is_some_and(|name| name != "timing.jsonl") {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    collect(folder, folder, &mut files);
    files
}

/// Panics with the names of the files that differ. `parts` may also have checkpoints at which a run was stopped.
pub fn assert_equal_reproductions(whole: &Path, parts: &Path) {
    let (whole, mut parts) = (all_files(whole), all_files(parts));
    parts.retain(|name, _| whole.contains_key(name) || !name.contains("/checkpoint/step-"));
    assert!(whole.keys().eq(parts.keys()), "{:#?}\nagainst {:#?}", whole.keys(), parts.keys());
    let different: Vec<_> = whole.keys().filter(|name| whole[*name] != parts[*name]).collect();
    assert!(different.is_empty(), "these differ: {different:?}");
    assert!(whole.contains_key("verdict.json") && whole.contains_key("report.html"), "{:?}", whole.keys());
}

/// The names of the tasks and how far they are.
fn states(out: &Path) -> Vec<(String, String)> {
    let listed = succeeds(&at(out, &["--tasks"])).out;
    let row = |line: &str| {
        let cells: Vec<_> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        (cells[1].to_owned(), cells.last().unwrap().to_string())
    };
    listed.lines().map(row).collect()
}

#[test]
fn tasks_in_one_folder_equal_the_whole_reproduction() {
    let home = scratch("tasks");
    let (whole, parts) = (home.join("whole"), home.join("parts"));
    succeeds(&at(&whole, &[]));

    let tasks = states(&parts);
    assert!(!parts.exists(), "a list writes nothing");
    let names: Vec<&str> = tasks.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["n2-seed1", "n8-seed1", "n2-seed1-nextafter", "n2-seed2"]);
    assert!(tasks.iter().all(|(_, state)| state == "to do"), "{tasks:?}");

    // Two tasks begin the folder at the same moment; one is killed, and a third begins while the second is at work.
    let [first, second] = ["0", "3"].map(|task| spawn(command(at(&parts, &["--task", task]))));
    wait_for_step(&parts.join("runs/n2-seed1"), 5);
    kill(first);
    assert_eq!(states(&parts)[0].1, "begun");
    let last = succeeds(&at(&parts, &["--task", "2"]));
    let second: Ended = second.wait_with_output().unwrap().into();
    assert_eq!(second.code, Some(0), "{second:?}");
    assert!(last.out.contains("task 2 is finished"), "{last:?}");
    succeeds(&at(&parts, &["--task", "0"]));
    let again = succeeds(&at(&parts, &["--task", "0"]));
    assert!(again.out.contains("1 task left") && !again.out.contains("run n"), "trained again: {again:?}");
    let all = succeeds(&at(&parts, &["--task", "1"]));
    assert!(all.out.contains("all tasks are finished"), "{all:?}");
    assert!(states(&parts).iter().all(|(_, state)| state == "finished"));

    let gathered = succeeds(&at(&parts, &[]));
    assert!(!gathered.out.contains("run n"), "the last line trains nothing again: {gathered:?}");
    assert_equal_reproductions(&whole, &parts);
}

#[test]
#[cfg(unix)]
fn a_task_keeps_out_what_would_disturb_it() {
    let home = scratch("tasks-disturbed");
    let out = home.join("out");
    let task = spawn(command(at(&out, &["--task", "1"])));
    wait_for_step(&out.join("runs/n8-seed1"), 1);
    assert_refused(&lastbit(&at(&out, &["--task", "1"])), 1, &["another lastbit", "n8-seed1"]);
    assert_refused(&lastbit(&at(&out, &[])), 1, &["another lastbit", text(&out)]);
    assert_refused(&lastbit(&at(&out, &["--task", "0", "--points", "7"])), 2, &["--points", "100", "7"]);
    // What a scheduler sends before it kills: the run is saved, and the same task continues.
    let stopped = stop(task, "USR1");
    assert_eq!(stopped.code, Some(if cfg!(target_os = "macos") { 158 } else { 138 }), "{stopped:?}");
    let whole = spawn(command(at(&out, &[])));
    wait_for_step(&out.join("runs/n2-seed1"), 1);
    assert_refused(&lastbit(&at(&out, &["--task", "1"])), 1, &["another lastbit", text(&out)]);
    kill(whole);
    succeeds(&at(&out, &["--task", "1"]));
}

#[test]
fn tasks_that_do_not_exist_are_refused() {
    let out = scratch("tasks-refused").join("out");
    assert_refused(&lastbit(&at(&out, &["--task", "4"])), 2, &["--task", "0 to 3", "not 4"]);
    for flag in [&["--tasks"][..], &["--task", "0"]] {
        let line = [&["reproduce", "fig1", "--quick", "--out", text(&out)], flag].concat();
        assert_refused(&lastbit(&line), 2, &[flag[0], "fig1", "no independent runs"]);
    }
    for flags in [&["--task", "0", "--adapters", "0,0"][..], &["--task", "0", "--tasks"], &["--tasks", "--dry-run"]] {
        assert_eq!(lastbit(&at(&out, flags)).code, Some(2), "{flags:?}");
    }
    let forecast = succeeds(&at(&out, &["--task", "1", "--dry-run"]));
    assert!(forecast.out.contains("task 1 of 0 to 3, n8-seed1"), "{forecast:?}");
    assert!(!out.exists());
    assert_eq!(lastbit(&["reproduce", "table1", "--tasks"]).out.lines().count(), 32, "docs/CLUSTER.md says so");
}

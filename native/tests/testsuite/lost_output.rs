//! Lost output: a reader that closes the pipe is not an error, every other loss is.

#![cfg(target_os = "linux")]

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use crate::common::{Ended, SMALL, assert_refused, command, copy_folder, scratch, text, train};

const LOST: &[&str] = &["cannot write to standard output", "No space left", "output is lost"];

/// The command lines of every command, with and without `--json`. `run` is a run of two steps, `home` a folder for new runs.
fn lines(home: &Path, run: &Path) -> Vec<Vec<String>> {
    let twin = home.join("twin");
    copy_folder(run, &twin);
    let (run, twin) = (text(run), text(&twin));
    let mut lines: Vec<Vec<String>> = [
        &["--help"][..],
        &["--version"],
        &["train", "--help"],
        &["adapters"],
        &["adapters", "--json"],
        &["completions", "bash"],
        &["man"],
        &["man", "--out", text(&home.join("man"))],
        &["data", "info"],
        &["data", "info", "--json"],
        &["data", "info", "synthetic"],
        &["bench", "--filter", "update", "--repeats", "1", "--json"],
        &["report", run],
        &["export", run, "--csv"],
        &["verify", run],
        &["verify", run, "--json"],
        &["compare", run, twin],
        &["compare", run, twin, "--json"],
        &["reproduce", "fig1", "--quick", "--dry-run"],
        &["smoke"],
    ]
    .map(|line| line.iter().map(|&word| word.to_owned()).collect())
    .to_vec();
    let trained: [(&str, &[&str]); 5] = [
        ("text", &[]),
        ("json", &["--json"]),
        ("plan", &["--dry-run"]),
        ("plan-json", &["--dry-run", "--json"]),
        ("parts", &["--adapters", "0,0", "--ks", "1,3,5"]),
    ];
    for (name, flags) in trained {
        let out = home.join(name);
        let own = if flags.contains(&"--ks") { &SMALL[..SMALL.len() - 2] } else { SMALL };
        let line = [own, &["--steps", "2", "--out", text(&out)], flags].concat();
        lines.push(line.into_iter().map(str::to_owned).collect());
    }
    lines
}

#[test]
fn lost_output_is_an_error_of_every_command() {
    let home = scratch("stdout-full");
    let run = home.join("run");
    train(&["--steps", "2"], &run);
    for line in lines(&home, &run) {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ended: Ended = command(&line).stdout(full).output().unwrap().into();
        println!("{line:?}");
        assert_refused(&ended, 1, LOST);
    }
    // The runs themselves are complete.
    for name in ["text", "json", "parts/part-1"] {
        let ended = crate::common::lastbit(&["verify", text(&home.join(name))]);
        assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
    }
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let home = scratch("stdout-closed");
    let run = home.join("run");
    train(&["--steps", "2"], &run);
    for line in lines(&home, &run) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended: Ended = command(&line).stdout(writer).stderr(Stdio::piped()).output().unwrap().into();
        assert!(ended.code == Some(0) && ended.err.is_empty(), "{line:?}: {ended:?}");
    }
}

/// Lost output does not replace the exit code of what the command found.
#[test]
fn lost_output_leaves_another_code_as_it_is() {
    let home = scratch("stdout-code");
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let (a, b) = (home.join("a"), home.join("b"));
    train(&["--steps", "2"], &a);
    train(&["--steps", "2", "--seed", "2"], &b);
    let ended: Ended = command(["compare", text(&a), text(&b)]).stdout(full()).output().unwrap().into();
    assert_refused(&ended, 1, LOST);
    let ended: Ended = command(["verify", text(&home)]).stdout(full()).output().unwrap().into();
    assert_refused(&ended, 2, &["holds no run"]);
}

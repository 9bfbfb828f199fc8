//! The table of exit codes in docs/USING.md is compared with the program, row by row, and with `--help`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::common::{assert_refused, copy_folder, lastbit, scratch, text, train};

const USING: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/USING.md"));

/// The rows of the table: `(end of the command, exit code)`. `is_macos` takes macOS's code in rows that have one.
fn rows(is_macos: bool) -> Vec<(String, i32)> {
    let table = USING.lines().skip_while(|line| !line.contains("| exit code |")).skip(2);
    let table = table.take_while(|line| line.starts_with('|'));
    table
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let codes: Vec<i32> =
                cells[1].split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
            let code = codes.get(usize::from(is_macos)).or(codes.first());
            (cells[0].to_owned(), *code.unwrap_or_else(|| panic!("no exit code: {line}")))
        })
        .collect()
}

#[test]
fn the_table_is_what_the_program_does() {
    let home = scratch("exit-codes");
    let run = home.join("run");
    train(&["--steps", "4"], &run);
    let rows = rows(cfg!(target_os = "macos"));
    for (row, code) in &rows {
        for (line, found) in ends(row, &home, &run) {
            assert_eq!(found, Some(*code), "{row}: {line}");
        }
    }
    assert!(rows.len() >= 6, "{rows:?}");
}

/// Runs commands that are examples of a row. Returns `(command, exit code)`.
fn ends(row: &str, home: &Path, run: &Path) -> Vec<(String, Option<i32>)> {
    let shown = |line: &[&str]| (line.join(" "), lastbit(line).code);
    let small = |name: &str, flags: &[&str]| {
        let out = home.join(name);
        shown(&[crate::common::SMALL, &["--out", text(&out)], flags].concat())
    };
    let copy = |name: &str| {
        let copy = home.join(name);
        copy_folder(run, &copy);
        copy
    };
    match row {
        "finished" => vec![
            small("ended", &["--steps", "2"]),
            shown(&["verify", text(run)]),
            shown(&["compare", text(run), text(&copy("twin"))]),
            shown(&["report", text(run)]),
            shown(&["adapters"]),
            shown(&["--help"]),
        ],
        "a difference that `verify` or `compare` finds" => {
            let other = home.join("other");
            train(&["--steps", "4", "--seed", "2"], &other);
            let changed = copy("changed");
            let metrics = changed.join("metrics.jsonl");
            let lines = fs::read_to_string(&metrics).unwrap();
            fs::write(&metrics, lines.replacen("\"lr\":0.1", "\"lr\":0.2", 1)).unwrap();
            vec![
                shown(&["compare", text(run), text(&other)]),
                shown(&["compare", "--json", text(run), text(&other)]),
                shown(&["verify", text(&changed)]),
                shown(&["verify", "--json", text(&changed)]),
            ]
        }
        "a lost device, a full disk, lost output, a damaged file, missing images, an error" => {
            let empty = copy("empty");
            fs::write(empty.join("config.toml"), "").unwrap();
            let damaged = home.join("damaged");
            for class in ["damaged/train/a", "damaged/train/b", "damaged/test/a", "damaged/test/b"] {
                let class = home.join(class);
                fs::create_dir_all(&class).unwrap();
                fs::write(class.join("0.png"), "no image").unwrap();
            }
            let ends = vec![
                shown(&["data", "info", "folder", "--data-dir", text(&damaged)]),
                small("lost", &["--steps", "4", "--lose-device", "2"]),
                shown(&["train", "--resume", "--out", text(&empty)]),
                small("memory", &["--memory-budget", "1000000"]),
                without_images(&home.join("without-images")),
            ];
            #[cfg(target_os = "linux")]
            let ends = {
                let full = home.join("full");
                fs::create_dir(&full).unwrap();
                std::os::unix::fs::symlink("/dev/full", full.join("metrics.jsonl")).unwrap();
                let device = fs::File::options().write(true).open("/dev/full").unwrap();
                let ended = crate::common::command(["adapters"]).stdout(device).output().unwrap();
                let full = [small("full", &["--steps", "1"]), ("adapters >/dev/full".to_owned(), ended.status.code())];
                [ends, full.to_vec()].concat()
            };
            ends
        }
        "an invalid flag, value or folder" => {
            let nowhere = home.join("nowhere");
            let nowhere = text(&nowhere);
            let file = home.join("file");
            fs::write(&file, "no run").unwrap();
            let mut ends = vec![
                small("refused", &["--no-such-flag"]),
                small("refused", &["--lr", "-1"]),
                small("refused", &["--init", nowhere]),
                small("refused", &["--config", nowhere]),
                shown(&["train", "--dataset", "cifar10", "--data-dir", nowhere, "--out", nowhere]),
                shown(&["data", "info", "cifar10", "--data-dir", nowhere]),
                shown(&["train", "--resume", "--out", nowhere]),
                shown(&["train", "--dataset", "synthetic", "--out", text(&file)]),
                shown(&["verify", nowhere]),
                shown(&["verify", text(&file)]),
                shown(&["verify", text(run), "--steps", "2..99"]),
                shown(&["compare", text(run), nowhere]),
                shown(&["report", nowhere]),
                shown(&["adapters", "--log-level", "verbose"]),
                shown(&["no-such-command"]),
            ];
            ends.push((
                "a folder that is taken".to_owned(),
                lastbit(&[crate::common::SMALL, &["--out", text(run)]].concat()).code,
            ));
            assert!(!Path::new(nowhere).exists() && !home.join("refused").exists(), "a refusal left files");
            ends
        }
        "Ctrl-C" => stopped("-INT", &home.join("int")),
        "SIGTERM, as schedulers send it" => stopped("-TERM", &home.join("term")),
        "SIGHUP, as from a closed terminal" => stopped("-HUP", &home.join("hup")),
        "SIGUSR1, a scheduler's notice" => stopped("-USR1", &home.join("usr1")),
        "SIGUSR2, a scheduler's notice" => stopped("-USR2", &home.join("usr2")),
        "SIGXCPU, a scheduler's notice" => stopped("-XCPU", &home.join("xcpu")),
        _ => panic!("the table of exit codes has a row that this test does not know: {row}"),
    }
}

/// Sends a signal to a run after its second step.
#[cfg(unix)]
fn stopped(signal: &str, out: &Path) -> Vec<(String, Option<i32>)> {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    let line = [crate::common::SMALL, &["--epochs", "100000", "--json", "--out", text(out)]].concat();
    let mut child = crate::common::command(&line).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("\"step\":2,")), "no second step");
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    lines.for_each(drop);
    vec![(format!("kill {signal}"), child.wait().unwrap().code())]
}

/// This system has no signals.
#[cfg(not(unix))]
fn stopped(_: &str, _: &Path) -> Vec<(String, Option<i32>)> {
    Vec::new()
}

#[test]
fn the_help_names_the_codes_of_the_table() {
    let help = lastbit(&["--help"]).out;
    let (_, codes) = help.split_once("Exit codes:").unwrap();
    let (codes, _) = codes.split_once("\n\n").unwrap();
    let in_help: BTreeSet<i32> =
        codes.split(|c: char| !c.is_ascii_digit()).filter_map(|text| text.parse().ok()).collect();
    let in_table: BTreeSet<i32> = rows(false).into_iter().map(|(_, code)| code).collect();
    assert_eq!(in_help, in_table);
    for command in ["verify", "compare"] {
        let help = lastbit(&[command, "--help"]).out;
        assert!(help.contains("Exit codes: 0 ") && help.contains(" 1 ") && help.contains(" 2 "), "{command}: {help}");
    }
}

/// Every refusal is one line.
#[test]
fn missing_folders_are_refused_in_one_line() {
    let home = scratch("not-there");
    let nowhere = home.join("nowhere");
    for line in
        [&["verify", text(&nowhere)][..], &["report", text(&nowhere)], &["compare", text(&nowhere), text(&home)]]
    {
        assert_refused(&lastbit(line), 2, &["nowhere"]);
    }
}

/// Trains on CIFAR-10 where no data folder exists.
fn without_images(home: &Path) -> (String, Option<i32>) {
    fs::create_dir_all(home).unwrap();
    let mut command = crate::common::command(["train", "--net", "resnet8", "--steps", "1", "--out", "run"]);
    command.current_dir(home).env("HOME", home).env("XDG_DATA_HOME", home).env("LOCALAPPDATA", home);
    ("train without images".to_owned(), command.output().unwrap().status.code())
}

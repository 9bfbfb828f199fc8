//! `tune`: runs that match its file use it, it changes none of their bits, and a damaged file does no harm.

use std::path::{Path, PathBuf};

use lastbit_core::bench::tune::{self, Choice};

use crate::common::skip::skip;
use crate::common::{Ended, SMALL, assert_equal_runs, command, lastbit, scratch, text};

/// The software GPU of test machines, as a value of `--adapter`.
const GPU: &str = "llvmpipe";

/// Runs the program with the user's data folder at `home`.
fn at_home(home: &Path, arguments: &[&str]) -> Ended {
    let mut command = command(arguments);
    // On a GPU, because the processor has no tiles.
    let ended: Ended = command.env("XDG_DATA_HOME", home).env("LASTBIT_ADAPTER", GPU).output().unwrap().into();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

#[test]
fn tiles_are_kept_and_change_no_bit() {
    if !lastbit(&["adapters"]).out.contains(GPU) {
        return skip("tuning (no software GPU driver: install Mesa's Vulkan drivers)");
    }
    let home = scratch("tune");
    let train = |name: &str| -> PathBuf {
        let run = home.join(name);
        at_home(&home, &[SMALL, &["--steps", "4", "--out", text(&run)]].concat());
        run
    };
    let base = train("base");
    let tuned = at_home(&home, &[&["tune", "--json"], &SMALL[1..]].concat());
    assert!(tuned.err.is_empty(), "{}", tuned.err);
    let sums = sums(&tuned.out);
    let files: Vec<PathBuf> =
        std::fs::read_dir(home.join("lastbit/tiles")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!((&sums["file"], &sums["replicas"]), (&serde_json::json!(file), &serde_json::json!(3)));
    // Replace the measured choices by a tile that is not the default one anywhere.
    let kept = std::fs::read_to_string(file).unwrap();
    let mut choices: serde_json::Value = serde_json::from_str(&kept).unwrap();
    for choice in choices.as_array_mut().unwrap() {
        choice["tile"] = serde_json::json!({ "rows": 1, "groups": 2, "channels": [2, 4], "lanes": 64, "uniform": true, "staging": 2 });
    }
    let are_taken: Vec<Choice> = serde_json::from_value(choices.clone()).expect("a run reads them");
    assert!(are_taken.iter().all(|choice| tune::is_candidate(choice.tile)), "a run would not use these tiles");
    std::fs::write(file, choices.to_string()).unwrap();
    assert_equal_runs(&base, &train("other"), &[4]);
    for damaged in [&kept[..kept.len() / 2], &kept.replace("\"lanes\": 64", "\"lanes\": 4000000")] {
        std::fs::write(file, damaged).unwrap();
        assert_equal_runs(&base, &train(&format!("damaged-{}", damaged.len())), &[4]);
    }
}

/// The last line of `tune --json`, which adds up the others.
fn sums(out: &str) -> serde_json::Value {
    let mut lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sums = lines.pop().unwrap();
    assert!(lines.iter().any(|layer| layer["pass"] == "weight gradient" && layer["layer"].is_string()), "{out}");
    for key in ["default_ms", "ms"] {
        let sum: f64 = lines.iter().map(|layer| layer[key].as_f64().unwrap()).sum();
        assert!((sum - sums[key].as_f64().unwrap()).abs() < 1e-6 * sum, "{key}: {out}");
    }
    sums
}

//! The record of a run: `verify`, `compare` and `--resume` name every file that is edited, cut or removed, unless it is rebuilt or the
//! change is harmless by definition.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{
    Random, SMALL, assert_equal_runs, assert_refused, copy_folder, equal_files, lastbit, scratch, text, train,
};

const FLAGS: [&str; 4] = ["--steps", "12", "--checkpoint-every", "5steps"];

/// Damage to a run, and a part of the message that names it.
type Damage<'a> = (&'a dyn Fn(&Path), &'a str);

/// Edits a file of a run.
fn edit(run: &Path, file: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let path = run.join(file);
    fs::write(&path, change(fs::read(&path).unwrap())).unwrap();
}

/// Sets a key of the config. Panics if the config does not have the key.
fn set(run: &Path, key: &str, value: &str) {
    edit(run, "config.toml", |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        let old =
            text.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap_or_else(|| panic!("no {key}"));
        text.replace(old, &format!("{key} = {value}")).into_bytes()
    });
}

#[test]
fn a_run_does_not_resume_with_another_config() {
    let home = scratch("sealed");
    let whole = home.join("whole");
    train(&FLAGS, &whole);
    for (key, value, was) in [
        ("lr", "0.2", "0.1"),
        ("seed", "2", "1"),
        ("batch-size", "4", "8"),
        ("momentum", "0.8", "0.9"),
        ("weight-decay", "0.0", "0.0005"),
        ("augment", "false", "true"),
        ("eval-every", "3", "1"),
    ] {
        let run = home.join(key);
        copy_folder(&whole, &run);
        set(&run, key, value);
        let change = format!("{key} is {value} and was {was}");
        // With more steps, and with the same number.
        for more in [&["--steps", "14"][..], &[]] {
            let ended = lastbit(&[&["train", "--resume", "--out", text(&run)], more].concat());
            assert_refused(&ended, 2, &["--resume", "config.toml", &change, "set that back"]);
        }
        let ended = lastbit(&["verify", text(&run)]);
        assert!(ended.code == Some(1) && ended.err.contains(&format!("config.toml: {change}")), "{ended:?}");
        let ended = lastbit(&["compare", text(&whole), text(&run)]);
        assert!(ended.code == Some(1) && ended.out.contains(&change), "{ended:?}");
        // With the value set back, the run resumes.
        set(&run, key, was);
        train(&["--steps", "14", "--resume"], &run);
    }
    // A run that was killed before its first checkpoint would restart, but not with the other config.
    let run = home.join("begun");
    copy_folder(&whole, &run);
    fs::remove_dir_all(run.join("checkpoint")).unwrap();
    fs::remove_file(run.join("summary.json")).unwrap();
    set(&run, "lr", "0.2");
    assert_refused(&lastbit(&["train", "--resume", "--out", text(&run)]), 2, &["lr is 0.2 and was 0.1"]);
    // Keys for places, lengths and the cadence of saves may change.
    let run = home.join("free");
    copy_folder(&whole, &run);
    set(&run, "checkpoint-every", "\"3steps\"");
    assert_eq!(lastbit(&["verify", text(&run)]).code, Some(0));
    set(&run, "steps", "14");
    train(&["--resume"], &run);
}

#[test]
fn runs_of_the_first_versions_resume_without_a_seal() {
    let home = scratch("unsealed");
    let run = home.join("run");
    train(&FLAGS, &run);
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap();
    let text_of = |sealed: &str| {
        let (before, rest) = sealed.split_once("  \"config\": {").unwrap();
        let (_, after) = rest.split_once("},\n").unwrap();
        crate::common::with_checksum(&format!("{before}{after}"))
    };
    edit(&run, "manifest.json", |bytes| text_of(&String::from_utf8(bytes).unwrap()).into_bytes());
    edit(&run, "summary.json", |bytes| {
        let mut summary: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        summary.as_object_mut().unwrap().remove("sha256").unwrap();
        serde_json::to_vec_pretty(&summary).unwrap()
    });
    assert_eq!(lastbit(&["verify", text(&run)]).code, Some(0));
    train(&["--steps", "14", "--resume"], &run);
    let now: serde_json::Value = serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(now["config"], manifest["config"], "the resumed run is not sealed");
}

#[test]
fn what_is_missing_is_named() {
    let home = scratch("absence");
    let (whole, run) = (home.join("whole"), home.join("run"));
    train(&FLAGS, &whole);
    let cut = |bytes: usize| move |run: &Path| edit(run, "metrics.jsonl", |all| all[..all.len() - bytes].to_vec());
    let length = fs::read(whole.join("metrics.jsonl")).unwrap().len();
    let last_line = fs::read_to_string(whole.join("metrics.jsonl")).unwrap().lines().last().unwrap().len() + 1;
    let damages: [Damage<'_>; 9] = [
        (&cut(30), "bytes that the newest checkpoint recorded"),
        (&cut(last_line), "bytes that the newest checkpoint recorded"),
        (&cut(length / 2), "bytes that the newest checkpoint recorded"),
        (&cut(length), "metrics.jsonl has 0 of the"),
        (&|run| fs::remove_file(run.join("metrics.jsonl")).unwrap(), "metrics.jsonl"),
        (&|run| fs::remove_dir_all(run.join("checkpoint")).unwrap(), "checkpoint of step 12"),
        (&|run| fs::remove_dir_all(run.join("checkpoint/step-000012")).unwrap(), "the newest is of step 10"),
        (&|run| edit(run, "metrics.jsonl", |all| [all, vec![0; 500]].concat()), "500 bytes that are not a line"),
        (&|run| fs::remove_file(run.join("summary.json")).unwrap(), "summary.json is missing"),
    ];
    for (damage, named) in damages {
        let _ = fs::remove_dir_all(&run);
        copy_folder(&whole, &run);
        damage(&run);
        let ended = lastbit(&["verify", text(&run)]);
        assert!(ended.code == Some(1) && ended.err.contains(named), "verify, {named}: {ended:?}");
        assert!(!ended.out.contains("every bit"), "verify, {named}: {ended:?}");
        let ended = lastbit(&["compare", text(&whole), text(&run)]);
        let is_named = ended.out.contains(named) || ended.err.contains("metrics.jsonl");
        assert!(ended.code == Some(1) && is_named, "compare, {named}: {ended:?}");
        assert!(!ended.out.contains("is the same"), "compare, {named}: {ended:?}");
    }
    // Runs that were killed while they wrote their first lines have nothing to compare, which `compare` reports.
    let (a, b) = (home.join("a"), home.join("b"));
    for folder in [&a, &b] {
        copy_folder(&whole, folder);
        fs::remove_dir_all(folder.join("checkpoint")).unwrap();
        fs::remove_file(folder.join("summary.json")).unwrap();
        fs::write(folder.join("metrics.jsonl"), "").unwrap();
    }
    let ended = lastbit(&["compare", text(&a), text(&b)]);
    assert!(ended.code == Some(1) && ended.out.contains("nothing was compared"), "{ended:?}");
}

#[test]
fn a_missing_checkpoint_is_noticed() {
    let home = scratch("forgotten");
    let (whole, run) = (home.join("whole"), home.join("run"));
    train(&FLAGS, &whole);
    copy_folder(&whole, &run);
    fs::remove_dir_all(run.join("checkpoint")).unwrap();
    let before = fs::read(run.join("metrics.jsonl")).unwrap();
    let ended = lastbit(&["train", "--resume", "--out", text(&run)]);
    assert_refused(&ended, 1, &["checkpoint of step 12", "summary.json", "nothing was changed", "--allow-changed"]);
    assert_eq!(fs::read(run.join("metrics.jsonl")).unwrap(), before);
    train(&["--resume", "--allow-changed"], &run);
    assert_equal_runs(&whole, &run, &[10, 12]);
    // The manifest records the environment of a run. Without it, a resume needs --allow-changed, too.
    for damage in [|path: &Path| fs::remove_file(path).unwrap(), |path: &Path| fs::write(path, "{}").unwrap()] {
        damage(&run.join("manifest.json"));
        let ended = lastbit(&["train", "--resume", "--steps", "14", "--out", text(&run)]);
        assert_refused(&ended, 2, &["manifest.json", "what the run was made with", "--allow-changed"]);
        train(&["--resume", "--allow-changed"], &run);
        assert_equal_runs(&whole, &run, &[10, 12]);
    }
}

#[test]
fn a_report_names_an_incomplete_record() {
    let home = scratch("reported");
    let (whole, run) = (home.join("whole"), home.join("run"));
    train(&FLAGS, &whole);
    let cases: [Damage<'_>; 3] = [
        (&|run| fs::write(run.join("metrics.jsonl"), "").unwrap(), "metrics.jsonl has 0 of the"),
        (&|run| set(run, "lr", "0.2"), "lr is 0.2 and was 0.1"),
        (&|run| edit(run, "metrics.jsonl", |bytes| [&b"{"[..], &bytes].concat()), "metrics.jsonl is not what"),
    ];
    for (damage, named) in cases {
        let _ = fs::remove_dir_all(&run);
        copy_folder(&whole, &run);
        damage(&run);
        let ended = lastbit(&["report", text(&run)]);
        assert!(ended.code == Some(0) && ended.err.contains(named), "{named}: {ended:?}");
        let page = fs::read_to_string(run.join("report.html")).unwrap();
        assert!(page.contains("The run folder is damaged or was edited") && page.contains(named), "{named}");
    }
    fs::write(run.join("metrics.jsonl"), "").unwrap();
    lastbit(&["report", text(&run)]);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("Nothing recorded") && !page.contains("Control green"), "a run without steps is green");
}

#[test]
fn a_restarted_run_needs_its_initial_weights() {
    let home = scratch("beginnings");
    let (whole, run, other) = (home.join("whole"), home.join("run"), home.join("other"));
    train(&["--steps", "1", "--seed", "7"], &other);
    let init = home.join("init.safetensors");
    fs::copy(other.join("init.safetensors"), &init).unwrap();
    train(&[&FLAGS[..], &["--init", text(&init)]].concat(), &whole);
    copy_folder(&whole, &run);
    // The run was killed before its first checkpoint, so it restarts. Meanwhile its weights file has changed.
    fs::remove_dir_all(run.join("checkpoint")).unwrap();
    fs::remove_file(run.join("summary.json")).unwrap();
    train(&["--steps", "1", "--seed", "8"], &home.join("third"));
    fs::copy(home.join("third/init.safetensors"), &init).unwrap();
    assert_refused(
        &lastbit(&["train", "--resume", "--out", text(&run)]),
        2,
        &["config.toml", "init: ", "other weights"],
    );
    fs::copy(other.join("init.safetensors"), &init).unwrap();
    train(&["--resume"], &run);
    assert_equal_runs(&whole, &run, &[10, 12]);
    // An empty copy of the initial weights is named, and rebuilt if that is possible.
    fs::write(run.join("init.safetensors"), "").unwrap();
    let ended = lastbit(&["compare", text(&whole), text(&run)]);
    assert!(ended.code == Some(1) && ended.out.contains("init.safetensors"), "{ended:?}");
    train(&["--resume"], &run);
    assert_equal_runs(&whole, &run, &[10, 12]);
    fs::remove_file(run.join("init.safetensors")).unwrap();
    fs::remove_file(&init).unwrap();
    let ended = train(&["--resume"], &run);
    assert!(ended.err.contains("init.safetensors is missing, and cannot be recreated"), "{ended:?}");
}

#[test]
fn a_removed_checksum_is_noticed() {
    let run = scratch("unchecked").join("run");
    train(&FLAGS, &run);
    edit(&run, "summary.json", |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .filter(|line| !line.contains("sha256"))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
            .into_bytes()
    });
    let ended = lastbit(&["verify", text(&run)]);
    assert!(ended.code == Some(1) && ended.err.contains("summary.json has no checksum"), "{ended:?}");
    // The message for a bad value in the run's own config names the file and the line.
    let line = |run: &Path| {
        let config = fs::read_to_string(run.join("config.toml")).unwrap();
        config.lines().position(|line| line.starts_with("lr = ")).unwrap() + 1
    };
    set(&run, "lr", "1e-50");
    let place = format!("config.toml' line {}: lr: ", line(&run));
    assert_refused(&lastbit(&["train", "--resume", "--out", text(&run)]), 2, &[&place, "too small"]);
}

/// Keys of a config that do not change the bits.
const FREE: [&str; 8] = [
    "data-dir",
    "adapter",
    "checkpoint-every",
    "keep-checkpoints",
    "on-broken-device",
    "tensorboard",
    "steps",
    "epochs",
];

/// `(same steps, same length)`: whether `text` is a config of the same steps as `base`, and whether it has as many.
fn meaning(base: &toml::Table, defaults: &toml::Table, text: &str) -> (bool, bool) {
    let Ok(table) = text.parse::<toml::Table>() else { return (false, false) };
    let value = |key: &String| table.get(key).or_else(|| defaults.get(key));
    let is_known = table.keys().all(|key| base.contains_key(key) || FREE.contains(&key.as_str()));
    let same = base.keys().filter(|key| !FREE.contains(&key.as_str())).all(|key| value(key) == base.get(key));
    let as_long = ["steps", "epochs"].iter().all(|key| table.get(*key) == base.get(*key));
    (is_known && same, as_long)
}

/// A single change of one file.
struct Change {
    what: String,
    file: String,
    /// The new content. `None` removes the file.
    bytes: Option<Vec<u8>>,
}

/// For each of `files`: flipped bits, removed and appended bytes, a cut, and the removal of the file.
fn changes(files: &BTreeMap<String, Vec<u8>>, random: &mut Random) -> Vec<Change> {
    let mut all = Vec::new();
    for (file, bytes) in files {
        let mut add = |what: String, bytes: Option<Vec<u8>>| all.push(Change { what, file: file.clone(), bytes });
        for _ in 0..3 {
            let at = random.below(bytes.len() as u64) as usize;
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << random.below(8);
            add(format!("a bit of byte {at} flipped"), Some(flipped));
        }
        let at = random.below(bytes.len() as u64) as usize;
        let mut shorter = bytes.clone();
        shorter.remove(at);
        add(format!("byte {at} removed"), Some(shorter));
        let length = random.below(bytes.len() as u64) as usize;
        add(format!("cut to {length} bytes"), Some(bytes[..length].to_vec()));
        add("500 NULs at the end".to_owned(), Some([&bytes[..], &[0; 500]].concat()));
        add("removed".to_owned(), None);
    }
    // For the metrics: removed and repeated lines. For the config: other digits.
    let metrics = String::from_utf8(files["metrics.jsonl"].clone()).unwrap();
    let lines: Vec<&str> = metrics.split_inclusive('\n').collect();
    for without in [0, lines.len() / 2, lines.len() - 1] {
        let kept = lines.iter().enumerate().filter(|(at, _)| *at != without).map(|(_, line)| *line);
        let bytes = Some(kept.collect::<String>().into_bytes());
        all.push(Change { what: format!("line {without} removed"), file: "metrics.jsonl".to_owned(), bytes });
    }
    let twice = Some([metrics.as_bytes(), lines[lines.len() - 1].as_bytes()].concat());
    all.push(Change { what: "the last line twice".to_owned(), file: "metrics.jsonl".to_owned(), bytes: twice });
    let config = &files["config.toml"];
    for at in (0..config.len()).filter(|at| config[*at].is_ascii_digit()).collect::<Vec<_>>() {
        if random.below(3) > 0 {
            continue;
        }
        let mut other = config.clone();
        other[at] = b'0' + (other[at] - b'0' + 1) % 10;
        let what = format!("another digit at byte {at}");
        all.push(Change { what, file: "config.toml".to_owned(), bytes: Some(other) });
    }
    all
}

#[test]
fn every_change_is_named_or_harmless() {
    let home = scratch("property");
    let (whole, run) = (home.join("whole"), home.join("run"));
    train(&FLAGS, &whole);
    // The defaults of all keys, from a run that sets few of them.
    let plain = home.join("plain");
    let flags = ["train", "--net", "resnet8", "--dataset", "synthetic", "--train-limit", "8", "--test-limit", "8"];
    let ended = lastbit(&[&flags[..], &["--batch-size", "4", "--steps", "1", "--out", text(&plain)]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let table = |run: &Path| fs::read_to_string(run.join("config.toml")).unwrap().parse::<toml::Table>().unwrap();
    let base = table(&whole);
    let mut defaults = table(&plain);
    ["net", "dataset", "train-limit", "test-limit", "batch-size"].iter().for_each(|key| drop(defaults.remove(*key)));
    let mut files = BTreeMap::new();
    for file in ["config.toml", "metrics.jsonl", "manifest.json", "summary.json"] {
        files.insert(file.to_owned(), fs::read(whole.join(file)).unwrap());
    }
    for entry in fs::read_dir(whole.join("checkpoint/step-000012")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let file = format!("checkpoint/step-000012/{name}");
        files.insert(file.clone(), fs::read(whole.join(&file)).unwrap());
    }
    for file in ["init.safetensors", "checkpoint/step-000010/manifest.json", "checkpoint/step-000010/r1-k3.safetensors"]
    {
        files.insert(file.to_owned(), fs::read(whole.join(file)).unwrap());
    }
    let changed = |Change { file, bytes, .. }: &Change| -> PathBuf {
        let _ = fs::remove_dir_all(&run);
        copy_folder(&whole, &run);
        match bytes {
            Some(bytes) => fs::write(run.join(file), bytes).unwrap(),
            None => fs::remove_file(run.join(file)).unwrap(),
        }
        run.clone()
    };
    let changes = changes(&files, &mut Random::new(5));
    assert!(changes.len() > 60, "{} changes", changes.len());
    let mut n_harmless = 0;
    for (nth, change) in changes.iter().enumerate() {
        let Change { what, file, bytes } = change;
        let (is_same_run, is_as_long) = match bytes.as_ref().filter(|_| file == "config.toml") {
            Some(bytes) => std::str::from_utf8(bytes).map_or((false, false), |text| meaning(&base, &defaults, text)),
            None => (false, true),
        };
        n_harmless += usize::from(is_same_run);
        let run = changed(change);
        let ended = lastbit(&["compare", text(&whole), text(&run)]);
        assert_eq!(ended.code == Some(0), is_same_run, "compare, {file}, {what}: {ended:?}");
        // `verify` and `--resume` train, which takes longer. Test a third of the changes to weights, and all other changes.
        if file.ends_with(".safetensors") && nth % 3 != 0 {
            continue;
        }
        if is_as_long || !is_same_run {
            let ended = lastbit(&["verify", text(&run)]);
            assert_eq!(ended.code == Some(0), is_same_run, "verify, {file}, {what}: {ended:?}");
        }
        // Not for a config of another length: the resumed run could be arbitrarily long.
        if is_as_long {
            let ended = lastbit(&[&SMALL[..1], &["--resume", "--out", text(&run)]].concat());
            match ended.code {
                Some(0) => {
                    assert!(equal_files(&whole, &[12]) == equal_files(&run, &[12]), "{file}, {what}: {ended:?}");
                }
                _ => {
                    assert!(
                        ended.err.contains("error: ") && !ended.err.contains("defect"),
                        "{file}, {what}: {ended:?}"
                    );
                }
            }
        }
    }
    assert!(n_harmless > 0, "no change of the config was harmless, so that half of the property is not tested");
}

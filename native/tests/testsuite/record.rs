//! What is in a run's folder is what was written to it: whatever is edited, cut or removed is named by `verify`, `compare` and
//! `--resume`, or made again, or harmless by definition.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{
    Random, SMALL, assert_equal_runs, assert_refused, copy_folder, equal_files, lastbit, scratch, text, train,
};

const FLAGS: [&str; 4] = ["--steps", "12", "--checkpoint-every", "5steps"];

/// What is done to a run, and how that is named.
type Damage<'a> = (&'a dyn Fn(&Path), &'a str);

/// Edits a file of a run.
fn edit(run: &Path, file: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let path = run.join(file);
    fs::write(&path, change(fs::read(&path).unwrap())).unwrap();
}

/// Sets a key of a config, which has to be there.
fn set(run: &Path, key: &str, value: &str) {
    edit(run, "config.toml", |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        let old =
            text.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap_or_else(|| panic!("no {key}"));
        text.replace(old, &format!("{key} = {value}")).into_bytes()
    });
}

#[test]
fn a_run_does_not_go_on_with_another_config() {
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
        // Longer, and as it is.
        for more in [&["--steps", "14"][..], &[]] {
            let ended = lastbit(&[&["train", "--resume", "--out", text(&run)], more].concat());
            assert_refused(&ended, 2, &["--resume", "config.toml", &change, "set that back"]);
        }
        let ended = lastbit(&["verify", text(&run)]);
        assert!(ended.code == Some(1) && ended.err.contains(&format!("config.toml: {change}")), "{ended:?}");
        let ended = lastbit(&["compare", text(&whole), text(&run)]);
        assert!(ended.code == Some(1) && ended.out.contains(&change), "{ended:?}");
        // Set back, it goes on.
        set(&run, key, was);
        train(&["--steps", "14", "--resume"], &run);
    }
    // Killed before the first checkpoint it would begin anew, with the other config.
    let run = home.join("begun");
    copy_folder(&whole, &run);
    fs::remove_dir_all(run.join("checkpoint")).unwrap();
    fs::remove_file(run.join("summary.json")).unwrap();
    set(&run, "lr", "0.2");
    assert_refused(&lastbit(&["train", "--resume", "--out", text(&run)]), 2, &["lr is 0.2 and was 0.1"]);
    // What says where, how long and how often to save is free.
    let run = home.join("free");
    copy_folder(&whole, &run);
    set(&run, "checkpoint-every", "\"3steps\"");
    assert_eq!(lastbit(&["verify", text(&run)]).code, Some(0));
    set(&run, "steps", "14");
    train(&["--resume"], &run);
}

#[test]
fn runs_of_the_first_versions_have_no_seal_and_go_on() {
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
    assert_eq!(now["config"], manifest["config"], "from now on it is sealed");
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
        (&cut(30), "bytes that the newest checkpoint saw"),
        (&cut(last_line), "bytes that the newest checkpoint saw"),
        (&cut(length / 2), "bytes that the newest checkpoint saw"),
        (&cut(length), "metrics.jsonl has 0 of the"),
        (&|run| fs::remove_file(run.join("metrics.jsonl")).unwrap(), "metrics.jsonl"),
        (&|run| fs::remove_dir_all(run.join("checkpoint")).unwrap(), "checkpoint of step 12"),
        (&|run| fs::remove_dir_all(run.join("checkpoint/step-000012")).unwrap(), "the newest is of step 10"),
        (&|run| edit(run, "metrics.jsonl", |all| [all, vec![0; 500]].concat()), "500 bytes that are no line"),
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
    // A run that was killed while it wrote its first lines has nothing to compare, and says so.
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
fn a_checkpoint_that_was_there_is_not_forgotten() {
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
    // The manifest says what a run was made with: without it, going on has to be allowed, too.
    for damage in [|path: &Path| fs::remove_file(path).unwrap(), |path: &Path| fs::write(path, "{}").unwrap()] {
        damage(&run.join("manifest.json"));
        let ended = lastbit(&["train", "--resume", "--steps", "14", "--out", text(&run)]);
        assert_refused(&ended, 2, &["manifest.json", "what the run was made with", "--allow-changed"]);
        train(&["--resume", "--allow-changed"], &run);
        assert_equal_runs(&whole, &run, &[10, 12]);
    }
}

#[test]
fn a_report_of_a_record_that_is_not_whole_says_so() {
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
        assert!(page.contains("The record is not as it was written") && page.contains(named), "{named}");
    }
    fs::write(run.join("metrics.jsonl"), "").unwrap();
    lastbit(&["report", text(&run)]);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("Nothing recorded") && !page.contains("Control green"), "a lamp that saw no step");
}

#[test]
fn a_run_begins_with_the_weights_it_began_with() {
    let home = scratch("beginnings");
    let (whole, run, other) = (home.join("whole"), home.join("run"), home.join("other"));
    train(&["--steps", "1", "--seed", "7"], &other);
    let init = home.join("init.safetensors");
    fs::copy(other.join("init.safetensors"), &init).unwrap();
    train(&[&FLAGS[..], &["--init", text(&init)]].concat(), &whole);
    copy_folder(&whole, &run);
    // Killed before its first checkpoint, it begins anew; meanwhile the file has become another one.
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
    // Emptied, they are named; made again where that is possible.
    fs::write(run.join("init.safetensors"), "").unwrap();
    let ended = lastbit(&["compare", text(&whole), text(&run)]);
    assert!(ended.code == Some(1) && ended.out.contains("init.safetensors"), "{ended:?}");
    train(&["--resume"], &run);
    assert_equal_runs(&whole, &run, &[10, 12]);
    fs::remove_file(run.join("init.safetensors")).unwrap();
    fs::remove_file(&init).unwrap();
    let ended = train(&["--resume"], &run);
    assert!(ended.err.contains("init.safetensors is missing, and cannot be made again"), "{ended:?}");
}

#[test]
fn a_checksum_that_was_taken_off_is_missed() {
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
    // A value of the run's own config is placed in its file.
    let line = |run: &Path| {
        let config = fs::read_to_string(run.join("config.toml")).unwrap();
        config.lines().position(|line| line.starts_with("lr = ")).unwrap() + 1
    };
    set(&run, "lr", "1e-50");
    let place = format!("config.toml' line {}: lr: ", line(&run));
    assert_refused(&lastbit(&["train", "--resume", "--out", text(&run)]), 2, &[&place, "too small"]);
}

/// Keys of a config that are no part of what fixes the bits.
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

/// Whether a text is a config that means the same steps as `base`; and whether it means the same number of them.
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
    /// `None` removes it.
    bytes: Option<Vec<u8>>,
}

/// Flipped bits, bytes that go or come, cuts and the removal of each file that a run's record is made of.
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
    // Whole lines of the metrics, and digits of the config's numbers.
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
fn whatever_is_changed_is_named_or_harmless() {
    let home = scratch("property");
    let (whole, run) = (home.join("whole"), home.join("run"));
    train(&FLAGS, &whole);
    // The defaults of all keys, from a run that names next to none.
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
        // Training takes longer: each third change, and all of what is not a checkpoint's numbers.
        if file.ends_with(".safetensors") && nth % 3 != 0 {
            continue;
        }
        if is_as_long || !is_same_run {
            let ended = lastbit(&["verify", text(&run)]);
            assert_eq!(ended.code == Some(0), is_same_run, "verify, {file}, {what}: {ended:?}");
        }
        // Of another length it would be another run's end, and nobody knows how far that is.
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
    assert!(n_harmless > 0, "no change of the config was harmless: the other half of the property is not tested");
}

//! Bad input ends with one clear error line and the right exit code, and leaves no files behind.

use crate::common::{FIG2, SMALL, assert_refused, command, lastbit, scratch, text};

/// Flags that replace those of the small run, the exit code, and parts of the error line.
type Case = (&'static [&'static str], i32, &'static [&'static str]);

const CASES: &[Case] = &[
    (&["--net", "resnet9"], 2, &["resnet9", "--net", "resnet20"]),
    (&["--net", "vgg19"], 2, &["vgg19", "--net", "vgg16"]),
    (&["--dataset", "imagenet"], 2, &["imagenet", "--dataset", "cifar10"]),
    (&["--activation", "gelu"], 2, &["gelu", "--activation", "swish"]),
    (&["--norm", "layer"], 2, &["layer", "--norm", "batch"]),
    (&["--net", "mlp2", "--norm", "none"], 2, &["--norm", "mlp2 has no norms"]),
    (&["--net", "wrn17-4"], 2, &["--net", "wrn16-4"]),
    (&["--loss", "hinge"], 2, &["hinge", "--loss", "cross-entropy or mse"]),
    (&["--net", "one-layer", "--dataset", "synthetic", "--loss", "mse"], 2, &["--loss", "one-layer", "cross-entropy"]),
    (&["--activation", "swish:-1"], 2, &["--activation", "positive"]),
    (&["--adapter", "no-such-gpu"], 2, &["--adapter", "no-such-gpu", "available: "]),
    (&["--adapter", "99"], 2, &["--adapter", "99"]),
    (&["--perturbation", "multiply"], 2, &["--perturbation", "divide"]),
    (&["--ks", "1,0"], 2, &["--ks", "between 1 and 63", "not 0"]),
    (&["--ks", "1,64"], 2, &["--ks", "between 1 and 63", "not 64"]),
    (&["--ks", "1,x"], 2, &["--ks", "'x'", "whole number from 1 to 63"]),
    (&["--ks", "1,-3"], 2, &["--ks", "-3", "whole number from 1 to 63"]),
    (&["--batch-size", "65"], 2, &["--batch-size", "65", "64 images"]),
    (&["--batch-size", "0"], 2, &["--batch-size", "between 1"]),
    (&["--lr", "-0.1"], 2, &["--lr", "positive", "-0.1"]),
    (&["--lr", "NaN"], 2, &["--lr", "positive", "NaN"]),
    (&["--lr", "fast"], 2, &["--lr", "fast"]),
    (&["--momentum", "1"], 2, &["--momentum", "below 1"]),
    (&["--weight-decay", "-1"], 2, &["--weight-decay", "at least 0"]),
    (&["--decay-factor", "2"], 2, &["--decay-factor", "at most 1"]),
    (&["--nesterov=perhaps"], 2, &["--nesterov", "perhaps"]),
    (&["--epochs", "0"], 2, &["--epochs", "at least 1"]),
    (&["--steps", "0"], 2, &["--steps", "at least 1"]),
    (&["--steps", "18446744073709551615"], 2, &["--steps", "18446744073709551615"]),
    (&["--log-every", "0"], 2, &["--log-every", "at least 1"]),
    (&["--train-limit", "0"], 2, &["--train-limit", "at least 1"]),
    (&["--seed", "-1"], 2, &["--seed", "-1"]),
    (&["--width", "0.3"], 2, &["--width", "0.3"]),
    (&["--width", "-1"], 2, &["--width", "-1"]),
    (&["--checkpoint-every", "often"], 2, &["--checkpoint-every", "often", "50steps"]),
    (&["--flip-bit", "conv1.weight"], 2, &["--flip-bit", "TENSOR:INDEX:STEP:REPLICA"]),
    (&["--flip-bit", "conv9.weight:0:1:0"], 2, &["--flip-bit", "conv9.weight"]),
    (&["--flip-bit", "conv1.weight:999999:1:0"], 2, &["--flip-bit", "999999"]),
    (&["--flip-bit", "conv1.weight:0:1:7"], 2, &["--flip-bit", "3 replicas"]),
    (&["--flip-bit", "conv1.weight:0:99:0", "--steps", "4"], 2, &["--flip-bit", "no step 99"]),
    (&["--memory-budget", "1000000"], 1, &["out of memory", "--ks", "--batch-size"]),
    (&["--net", "one-layer", "--dataset", "cifar10", "--data-dir", "nowhere"], 2, &["--data-dir", "does not exist"]),
    (&["--dataset", "fashion-mnist", "--data-dir", "src"], 2, &["--data-dir", "no Fashion-MNIST in"]),
    (&["--dataset", "folder", "--data-dir", "nowhere"], 2, &["--data-dir", "nowhere"]),
    (&["--init", "no/such/file"], 2, &["--init", "no/such/file"]),
    (&["--init", "Cargo.toml"], 2, &["--init", "Cargo.toml", "safetensors"]),
    (&["--config", "no/such/config.toml"], 2, &["--config", "no/such/config.toml"]),
    // A parser's own messages for these values would not help.
    (&["--lr", "0,1"], 2, &["--lr", "write it with a point: 0.1"]),
    (&["--weight-decay", "5,0e-4"], 2, &["--weight-decay", "write it with a point: 5.0e-4"]),
    (&["--steps", "1e3"], 2, &["--steps", "write it in digits: 1000"]),
    (&["--epochs", "1_0"], 2, &["--epochs", "write it in digits: 10"]),
    (&["--seed", "-1"], 2, &["--seed", "a whole number from 0 to 9223372036854775807"]),
    (&["--test-limit", "many"], 2, &["--test-limit", "a whole number from 0"]),
    (&["--keep-checkpoints", "0"], 2, &["--keep-checkpoints", "a whole number from 1 to 10000"]),
    (&["--ks", "1,,3"], 2, &["--ks", "1,3,2"]),
    (&["--ks", "1", "3"], 2, &["'3'", "without spaces, as in --ks 1,3,2"]),
    // These values are 0 or infinite in float32.
    (&["--lr", "1e-50"], 2, &["--lr", "1e-50 is too small for float32", "at least 1.2e-38"]),
    (&["--lr", "1e39"], 2, &["--lr", "1e39 is too large for float32", "at most 3.4e38"]),
    (&["--lr", "2e38", "--ks", "1,63"], 2, &["--lr", "2e38 times k = 63", "at most 5.4e36"]),
    (&["--lr-changes", "2:0.1,3:1e-50"], 2, &["--lr-changes", "1e-50 is too small"]),
    (&["--momentum", "1e-50"], 2, &["--momentum", "1e-50 is too small"]),
    (&["--momentum", "0.9999999999"], 2, &["--momentum", "is 1 in float32"]),
    (&["--weight-decay", "1e39"], 2, &["--weight-decay", "1e39 is too large"]),
    (&["--activation", "swish:1e39"], 2, &["--activation", "float32 cannot hold", "swish:1e39"]),
    (&["--activation", "swish:1e-50"], 2, &["--activation", "float32 cannot hold", "swish:1e-50"]),
    (&["--learning-rate", "1"], 2, &["--learning-rate"]),
];

/// The command line of the small run, in which `flags` replace its own.
fn with(flags: &[&str], out: &str) -> Vec<String> {
    let mut line: Vec<String> = vec!["train".into()];
    for pair in SMALL[1..].chunks(2).filter(|pair| !flags.contains(&pair[0])) {
        line.extend(pair.iter().map(|part| (*part).to_owned()));
    }
    line.extend(flags.iter().map(|flag| (*flag).to_owned()));
    line.extend(["--out".to_owned(), out.to_owned()]);
    line
}

#[test]
fn every_bad_value_is_one_line() {
    let folder = scratch("bad-values");
    for (flags, code, parts) in CASES {
        let out = folder.join("run");
        let ended = command(with(flags, text(&out))).output().unwrap().into();
        println!("{flags:?}");
        assert_refused(&ended, *code, parts);
        assert!(!out.exists(), "{flags:?} left files behind");
    }
}

#[test]
fn a_missing_folder_and_a_missing_command_are_named() {
    assert_refused(&lastbit(&["train", "--net", "resnet8"]), 2, &["--out"]);
    assert_refused(&lastbit(&["tarin"]), 2, &["tarin", "train"]);
    assert_eq!(lastbit(&[]).code, Some(2));
    for help in [&["--help"][..], &["train", "--help"], &["--version"]] {
        let ended = lastbit(help);
        assert!(ended.code == Some(0) && ended.out.contains("lastbit"), "{ended:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_path_that_is_not_unicode_is_named() {
    use std::os::unix::ffi::OsStrExt as _;

    let out = scratch("no-text").join("run");
    for flag in ["--data-dir", "--init"] {
        let flags = ["--out", text(&out), flag];
        let line = SMALL.iter().chain(&flags).map(std::ffi::OsStr::new);
        let ended = command(line.chain([std::ffi::OsStr::from_bytes(b"bad\xff")])).output().unwrap().into();
        assert_refused(&ended, 2, &[flag, "not Unicode", "rename"]);
    }
    assert!(!out.exists());
}

#[test]
fn bad_flags_of_bench_are_one_line() {
    for (flags, parts) in [
        (["--repeats", "0"], ["--repeats", "0"]),
        (["--replicas", "65"], ["--replicas", "65"]),
        (["--batch-size", "many"], ["--batch-size", "many"]),
        (["--filter", "conv7x7"], ["--filter", "conv7x7"]),
        (["--adapter", "no-such-gpu"], ["--adapter", "no-such-gpu"]),
    ] {
        let ended = lastbit(&[&["bench"][..], &flags].concat());
        assert_refused(&ended, 2, &parts);
        assert!(ended.out.is_empty(), "{ended:?}");
    }
}

#[test]
fn an_occupied_folder_is_left_alone() {
    let folder = scratch("occupied");
    let line = [SMALL, &["--steps", "2"]].concat();
    let parts = ["--ks", "1,3,5,2", "--adapters", "processor,processor"];
    let in_parts = [&SMALL[..SMALL.len() - 2], &["--steps", "2"], &parts].concat();
    let reproduced = [FIG2, &["--adapter", "processor"]].concat();
    // Files of a run or a reproduction, without the file that identifies it.
    for name in [
        "metrics.jsonl",
        "timing.jsonl",
        "manifest.json",
        "summary.json",
        "init.safetensors",
        "report.html",
        "checkpoint/step-000002/manifest.json",
        "tensorboard/r0-k1/events.out",
        ".lock",
    ] {
        let out = folder.join(name.replace('/', "-"));
        let file = out.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "precious").unwrap();
        let first = name.split('/').next().unwrap();
        for resume in [&[][..], &["--resume"]] {
            for line in [&line, &in_parts] {
                let ended = lastbit(&[&line[..], &["--out", text(&out)], resume].concat());
                assert_refused(&ended, 2, &["--out", &format!("'{first}'"), "config.toml", "another folder"]);
            }
        }
        let ended = lastbit(&[&reproduced[..], &["--out", text(&out)]].concat());
        assert_refused(&ended, 2, &["--out", &format!("'{first}'"), "reproduce.toml", "another folder"]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1, "{name}");
    }
    for name in ["pieces", "runs", "verdict.json", "environment.json", "spread.csv", "spread.svg"] {
        let out = folder.join(format!("reproduced-{name}"));
        std::fs::create_dir_all(&out).unwrap();
        std::fs::write(out.join(name), "precious").unwrap();
        let ended = lastbit(&[&reproduced[..], &["--out", text(&out)]].concat());
        assert_refused(&ended, 2, &["--out", &format!("'{name}'"), "reproduce.toml", "another folder"]);
        assert_eq!(std::fs::read_to_string(out.join(name)).unwrap(), "precious");
    }
    let out = folder.join("reproduction");
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(out.join("reproduce.toml"), "").unwrap();
    assert_refused(&lastbit(&[&line[..], &["--out", text(&out)]].concat()), 2, &["--out", "holds a reproduction"]);
    // A part without parts.toml.
    let out = folder.join("part");
    crate::common::train(&["--steps", "2"], &out.join("part-0"));
    for line in [&line, &in_parts] {
        let ended = lastbit(&[&line[..], &["--out", text(&out)]].concat());
        assert_refused(&ended, 2, &["--out", "'part-0'", "parts.toml", "another folder"]);
    }
}

#[test]
fn unrelated_files_do_not_block_a_run() {
    let home = scratch("strangers");
    let strangers = ["slurm.out", ".DS_Store", "thesis.tex", "notes/day-1.txt", ".git/config"];
    let line = [SMALL, &["--steps", "2"]].concat();
    let parts = ["--ks", "1,3,5,2", "--adapters", "processor,processor"];
    let in_parts = [&SMALL[..SMALL.len() - 2], &["--steps", "2"], &parts].concat();
    let equation = ["reproduce", "fig1", "--quick", "--adapter", "processor"].to_vec();
    let resumed = [&line[..], &["--resume"]].concat();
    for (name, line, made) in [
        ("new", &line, "config.toml"),
        ("resumed", &resumed, "config.toml"),
        ("parts", &in_parts, "parts.toml"),
        ("reproduced", &equation, "reproduce.toml"),
    ] {
        let out = home.join(name);
        for stranger in strangers {
            let file = out.join(stranger);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "precious").unwrap();
        }
        // A shell opens this file before the program starts.
        let log = std::fs::File::create(out.join("slurm.out")).unwrap();
        let line = [&line[..], &["--out", text(&out)]].concat();
        let ended: crate::common::Ended = command(line).stdout(log).output().unwrap().into();
        assert!(ended.code == Some(0) && ended.err.is_empty(), "{name}: {ended:?}");
        assert!(out.join(made).is_file(), "{name}");
        assert!(std::fs::read_to_string(out.join("slurm.out")).unwrap().contains("report: "), "{name}");
        for stranger in &strangers[1..] {
            assert_eq!(std::fs::read_to_string(out.join(stranger)).unwrap(), "precious", "{name}: {stranger}");
        }
    }
    // Such a folder alone does not say which run to resume.
    let out = home.join("unknown");
    std::fs::create_dir_all(&out).unwrap();
    std::fs::write(out.join("slurm.out"), "precious").unwrap();
    assert_refused(&lastbit(&["train", "--resume", "--out", text(&out)]), 2, &["--resume", "holds no run"]);
    assert_eq!(std::fs::read_to_string(out.join("slurm.out")).unwrap(), "precious");
}

#[test]
fn bad_config_files_are_named_with_their_line() {
    let folder = scratch("bad-config");
    let config = folder.join("bad.toml");
    let out = folder.join("run");
    for (content, parts) in [
        ("lr = 0.1\nks = [1, \n", &["bad.toml", "line"][..]),
        ("\nlearning-rate = 0.1\n", &["bad.toml' line 2: unknown key 'learning-rate'", "lr, lr-changes"]),
        ("net = 'resnet9'\n", &["bad.toml' line 1: net: ", "resnet9"]),
        ("ks = 3\n", &["bad.toml' line 1: ks: ", "expected a list"]),
        ("# k\nks = [64]\n", &["bad.toml' line 2: ks: ", "not 64"]),
        ("lr = 0.1\nseed = -1\n", &["bad.toml' line 2: seed: ", "`-1`, expected a whole number from 0 up"]),
        ("lr = '0,1'\n", &["bad.toml' line 1: lr: ", "expected a number"]),
        ("lr = 1e-50\n", &["bad.toml' line 1: lr: ", "too small for float32"]),
        ("weight-decay = 1e39\n", &["bad.toml' line 1: weight-decay: ", "too large for float32"]),
        ("activation = 'swish:1e-50'\n", &["bad.toml' line 1: activation: ", "float32 cannot hold"]),
        ("\n\ncheckpoint-every = 'often'\n", &["bad.toml' line 3: checkpoint-every: ", "50steps"]),
        ("flip-bit = 'no.weight:0:1:0'\n", &["bad.toml' line 1: flip-bit: ", "no.weight"]),
        ("init = 'no/such/file'\n", &["--init", "no/such/file"]),
    ] {
        std::fs::write(&config, content).unwrap();
        let flags = ["--net", "resnet8", "--width", "0.25", "--dataset", "synthetic", "--train-limit", "64"];
        // Flags do not set the key that the file sets.
        let flags = flags.chunks(2).filter(|pair| !content.starts_with(&pair[0][2..])).flatten().copied();
        let files = ["--batch-size", "8", "--config", text(&config), "--out", text(&out)];
        let ended = command(["train"].into_iter().chain(flags).chain(files)).output().unwrap().into();
        println!("{content}");
        assert_refused(&ended, 2, parts);
        assert!(!out.exists(), "{content} left files behind");
    }
    // A flag overrides the file, so the message must not blame the file.
    std::fs::write(&config, "lr = 0.1\n").unwrap();
    let ended = lastbit(&["train", "--lr", "-1", "--config", text(&config), "--out", text(&out)]);
    assert_refused(&ended, 2, &["error: --lr: must be a positive number"]);
}

/// The message for an unknown key lists every key of a config.
#[test]
fn an_unknown_key_names_all_keys() {
    let folder = scratch("unknown-key");
    let config = folder.join("bad.toml");
    std::fs::write(&config, "learning-rate = 0.1\n").unwrap();
    let ended = lastbit(&["train", "--config", text(&config), "--out", text(&folder.join("run"))]);
    let (_, listed) = ended.err.split_once(": use one of ").unwrap();
    let listed: Vec<&str> = listed.trim_end().split(", ").collect();
    let help = lastbit(&["train", "--help"]).out;
    let flags = help.lines().filter_map(|line| line.trim_start().trim_start_matches("-v, ").strip_prefix("--"));
    let flags: Vec<&str> = flags.map(|flag| flag.split([' ', '[', '=', '.']).next().unwrap()).collect();
    let of_the_line = [
        "adapters",
        "config",
        "out",
        "resume",
        "allow-changed",
        "dry-run",
        "quiet",
        "json",
        "verbose",
        "log-level",
        "log-format",
        "threads",
        "help",
        "version",
    ];
    let mut keys: Vec<&str> = flags.into_iter().map(|flag| flag.strip_prefix("no-").unwrap_or(flag)).collect();
    keys.retain(|key| !of_the_line.contains(key));
    keys.sort_unstable();
    assert_eq!(listed, keys);
    assert!(keys.len() >= 46 && keys.contains(&"keep-checkpoints"), "{keys:?}");
}

#[test]
fn lists_may_have_spaces() {
    let folder = scratch("list-spaces");
    let plan = |flags: &[&str]| -> serde_json::Value {
        let line = with(&[flags, &["--steps", "2", "--dry-run", "--json"]].concat(), "unused");
        let ended: crate::common::Ended = command(line).current_dir(&folder).output().unwrap().into();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        serde_json::from_str(&ended.out).unwrap()
    };
    assert_eq!(plan(&["--ks", "1, 3"])["ks"], serde_json::json!([1, 3]));
    plan(&["--lr-changes", "2:0.1, 3: 0.2"]);
    let ended = command(with(
        &["--ks", "1, 3, 2", "--adapters", "processor, processor", "--steps", "2", "--dry-run"],
        "unused",
    ))
    .current_dir(&folder)
    .output()
    .unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(std::fs::read_dir(&folder).unwrap().next().is_none(), "a dry run left files behind");
}

/// A dry run refuses what the run would refuse.
#[test]
fn a_dry_run_refuses_missing_inputs() {
    let folder = scratch("dry-inputs");
    for (flags, parts) in [
        (["--init", "no/such/file"], &["--init", "no/such/file"][..]),
        (["--init", "Cargo.toml"], &["--init", "Cargo.toml", "safetensors"]),
        (["--flip-bit", "no.weight:0:1:0"], &["--flip-bit", "no.weight"]),
        (["--flip-bit", "conv1.weight:0:99:0"], &["--flip-bit", "no step 99"]),
    ] {
        let line = with(&[&flags[..], &["--steps", "2", "--dry-run"]].concat(), text(&folder.join("run")));
        assert_refused(&command(line).output().unwrap().into(), 2, parts);
    }
    let line = with(&["--ks", "1,3,2", "--adapters", "0,0", "--init", "no/such/file", "--dry-run"], "unused");
    assert_refused(&command(line).output().unwrap().into(), 2, &["--init", "no/such/file"]);
}

/// A learning rate that decays below float32's range is reported, too.
#[test]
fn a_rate_that_decays_to_nothing_is_named() {
    let flags = ["--epochs", "40", "--decay-every", "1", "--dry-run"];
    let ended: crate::common::Ended = command(with(&flags, "unused")).output().unwrap().into();
    assert!(ended.code == Some(0) && ended.err.contains("which float32 does not hold"), "{ended:?}");
    let ended: crate::common::Ended =
        command(with(&[&flags[..], &["--steps", "80"]].concat(), "unused")).output().unwrap().into();
    assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_machine_without_a_driver_has_the_processor() {
    let none = "/nonexistent/driver.json";
    let without = |arguments: &[&str]| {
        command(arguments).env("VK_DRIVER_FILES", none).env("VK_ICD_FILENAMES", none).output().unwrap().into()
    };
    let out = scratch("no-driver").join("run");
    let trained: crate::common::Ended = without(&[SMALL, &["--steps", "2", "--out", text(&out)]].concat());
    assert_eq!(trained.code, Some(0), "{trained:?}");
    assert!(std::fs::read_to_string(out.join("manifest.json")).unwrap().contains("\"adapter\": \"processor\""));
    let listed: crate::common::Ended = without(&["adapters"]);
    assert!(listed.out.lines().count() == 3 && listed.out.contains("processor:separate"), "{listed:?}");
    let other = out.with_file_name("other");
    let ended = without(&[SMALL, &["--adapter", "llvmpipe", "--out", text(&other)]].concat());
    assert_refused(&ended, 2, &["--adapter", "llvmpipe", "0 'processor'"]);
}

#[test]
fn weights_of_another_network_are_refused_with_a_list() {
    let home = scratch("other-weights");
    let (first, out) = (home.join("first"), home.join("run"));
    let ended = lastbit(&[SMALL, &["--steps", "1", "--out", text(&first)]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let init = first.join("init.safetensors");
    let ended = command(with(&["--net", "resnet14", "--init", text(&init)], text(&out))).output().unwrap().into();
    let parts =
        ["--init", "lacks tensors of", "lacks 'layer1.1.conv1.weight', ", "more; it has no others", "PYTORCH.md"];
    assert_refused(&ended, 2, &parts);
    assert!(!out.join("metrics.jsonl").exists());
    // Names of a network inside a compiled module, with other names for shortcut and dense layer.
    let bytes = std::fs::read(&init).unwrap();
    let header = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let names: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let prefixed = names.into_iter().filter(|(name, _)| name != "__metadata__").map(|(name, tensor)| {
        (format!("model._orig_mod.{}", name.replace("downsample", "shortcut").replace("fc.", "linear.")), tensor)
    });
    let names = serde_json::to_vec(&prefixed.collect::<serde_json::Map<_, _>>()).unwrap();
    let wrapped = home.join("wrapped.safetensors");
    std::fs::write(&wrapped, [&(names.len() as u64).to_le_bytes()[..], &names, &bytes[8 + header..]].concat()).unwrap();
    let ended = lastbit(&[SMALL, &["--steps", "1", "--init", text(&wrapped), "--out", text(&out)]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let metrics = |run: &std::path::Path| std::fs::read(run.join("metrics.jsonl")).unwrap();
    assert!(metrics(&first) == metrics(&out), "the weights differ");
}

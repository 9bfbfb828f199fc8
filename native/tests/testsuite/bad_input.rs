//! Bad input gets one clear line and the right exit code, and leaves nothing behind.

use crate::common::{SMALL, assert_refused, command, lastbit, scratch, text};

/// Flags after those of the small run, exit code, what the line must contain.
type Case = (&'static [&'static str], i32, &'static [&'static str]);

const CASES: &[Case] = &[
    (&["--net", "resnet9"], 2, &["resnet9", "--net", "resnet20"]),
    (&["--net", "vgg19"], 2, &["vgg19", "--net", "vgg16"]),
    (&["--dataset", "imagenet"], 2, &["imagenet", "--dataset", "cifar10"]),
    (&["--activation", "gelu"], 2, &["gelu", "--activation", "swish"]),
    (&["--activation", "swish:-1"], 2, &["--activation", "positive"]),
    (&["--adapter", "no-such-gpu"], 2, &["--adapter", "no-such-gpu", "there are"]),
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
    (&["--net", "one-layer", "--dataset", "cifar10", "--data-dir", "nowhere"], 1, &["--data-dir", "does not exist"]),
    (&["--init", "no/such/file"], 1, &["--init", "no/such/file"]),
    (&["--init", "Cargo.toml"], 1, &["--init", "Cargo.toml", "safetensors"]),
    (&["--config", "no/such/config.toml"], 1, &["no/such/config.toml"]),
    (&["--learning-rate", "1"], 2, &["--learning-rate"]),
];

/// The small run with flags that replace its own.
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
        assert!(!out.exists(), "{flags:?} left something behind");
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
fn a_path_that_is_no_text_is_named() {
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
    std::fs::write(folder.join("thesis.tex"), "precious").unwrap();
    for resume in [&[][..], &["--resume"]] {
        let ended = lastbit(&[SMALL, &["--out", text(&folder)], resume].concat());
        assert_refused(&ended, 2, &["--out", "not empty"]);
    }
    assert_eq!(std::fs::read_to_string(folder.join("thesis.tex")).unwrap(), "precious");
}

#[test]
fn bad_config_files_are_named_with_their_line() {
    let folder = scratch("bad-config");
    let config = folder.join("bad.toml");
    let out = folder.join("run");
    for (content, parts) in [
        ("lr = 0.1\nks = [1, \n", &["bad.toml", "line"][..]),
        ("learning-rate = 0.1\n", &["--config", "learning-rate"]),
        ("net = 'resnet9'\n", &["resnet9"]),
        ("ks = 3\n", &["--config", "ks"]),
        ("ks = [64]\n", &["--ks"]),
    ] {
        std::fs::write(&config, content).unwrap();
        let ended = lastbit(&["train", "--dataset", "synthetic", "--config", text(&config), "--out", text(&out)]);
        assert_refused(&ended, 2, parts);
    }
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
fn weights_of_another_network_are_listed_beside_what_was_wanted() {
    let home = scratch("other-weights");
    let (first, out) = (home.join("first"), home.join("run"));
    let ended = lastbit(&[SMALL, &["--steps", "1", "--out", text(&first)]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let init = first.join("init.safetensors");
    let ended = command(with(&["--net", "resnet14", "--init", text(&init)], text(&out))).output().unwrap().into();
    let parts =
        ["--init", "lacks tensors of", "lacks 'layer1.1.conv1.weight', ", "more; it has no others", "PYTORCH.md"];
    assert_refused(&ended, 1, &parts);
    assert!(!out.join("metrics.jsonl").exists());
    // A network inside a module, compiled.
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
    assert!(metrics(&first) == metrics(&out), "the same weights");
}

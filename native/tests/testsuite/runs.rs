//! Runs and their folders: equal runs have equal files, and the control lamp is right.

use std::fs;

use lastbit_core::processor::Class;
use serde_json::Value;

use crate::common::{SMALL, assert_equal_runs, assert_refused, json_lines, lastbit, scratch, text, train};

fn summary(run: &std::path::Path) -> Value {
    serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap()
}

#[test]
fn equal_runs_have_equal_files_and_green_controls() {
    let home = scratch("equal");
    let (a, b, c) = (home.join("a"), home.join("b"), home.join("c"));
    let ended = train(&["--steps", "10"], &a);
    assert!(ended.out.contains("control: 0 bits differ") && ended.out.contains("control green"), "{ended:?}");
    assert!(!ended.out.contains('\u{1b}') && ended.err.is_empty(), "there are escape codes or warnings: {ended:?}");
    train(&["--steps", "10"], &b);
    assert_equal_runs(&a, &b, &[8, 10]);
    // The config that the run wrote repeats the run.
    let ended = lastbit(&["train", "--config", text(&a.join("config.toml")), "--out", text(&c)]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_equal_runs(&a, &c, &[8, 10]);
    assert_eq!(fs::read(a.join("config.toml")).unwrap(), fs::read(c.join("config.toml")).unwrap());

    let kinds: Vec<_> = json_lines(&a.join("metrics.jsonl")).iter().map(|line| line["kind"].to_string()).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "\"step\"").count(), 10);
    assert_eq!(kinds.iter().filter(|kind| *kind == "\"epoch\"").count(), 2, "evaluations: after step 8 and at the end");
    assert_eq!(json_lines(&a.join("timing.jsonl")).len(), 10);
    let summary = summary(&a);
    assert_eq!(summary["finished"], true);
    assert_eq!(summary["control"]["green"], true);
    assert_eq!(summary["control"]["replicas"][0]["differing"], 0);
    assert_eq!(summary["fingerprints"][0], summary["fingerprints"][2], "k = 2 must have the bits of k = 1");
    assert_ne!(summary["fingerprints"][0], summary["fingerprints"][1], "k = 3 must differ from k = 1");
    let manifest: Value = serde_json::from_slice(&fs::read(a.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["network"]["name"], "resnet8");
    for hash in [&manifest["dataset"]["sha256"], &manifest["environment"]["shaders_sha256"]] {
        assert_eq!(hash.as_str().map(str::len), Some(64));
    }
}

#[test]
fn a_published_command_line_finds_the_published_fingerprints() {
    let home = scratch("published");
    let run = lastbit_core::published::quick().remove(0);
    let line = run.command_line();
    for class in Class::ALL {
        let out = home.join(class.name());
        let line: Vec<&str> =
            line.split(' ').skip(1).map(|word| if word == "RUN_FOLDER" { text(&out) } else { word }).collect();
        let ended = lastbit(&[&line[..], &["--adapter", class.adapter()]].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let lines = json_lines(&out.join("metrics.jsonl"));
        for expected in run.of(class) {
            let of_step = |line: &&Value| line["kind"] == "layers" && line["step"] == expected.step;
            let found: Vec<&str> =
                lines.iter().filter(of_step).map(|line| line["fingerprint"].as_str().unwrap()).collect();
            assert_eq!(found, expected.fingerprints, "{} step {}", class.name(), expected.step);
        }
    }
}

/// Replicas of one k must be equal in whatever group they are, and messages stay short.
#[test]
fn as_many_replicas_as_possible_train_in_turns() {
    let home = scratch("most-replicas");
    // Beside the three of `SMALL`.
    let list = |n: u32| (0..n).map(|i| (1 + i % 63).to_string()).collect::<Vec<_>>().join(",");
    let flags = ["--steps", "2", "--log-every", "2", "--ks", &list(253), "--adapter", "processor"];
    let flags = [&flags[..], &["--memory-budget", "40000000"]].concat();
    let planned = lastbit(&[SMALL, &flags, &["--dry-run", "--out", text(&home.join("planned"))]].concat());
    assert!(planned.out.contains("groups that take turns, k = [1, 3, 2, 1,"), "{planned:?}");
    let ended = train(&flags, &home.join("run"));
    let progress = ended.out.lines().filter(|line| line.starts_with("step ") || line.starts_with("training "));
    let progress: Vec<&str> = progress.collect();
    assert_eq!(progress.iter().filter(|line| line.contains("and 244 more")).count(), 3, "{progress:?}");
    assert!(progress.iter().all(|line| line.len() < 1000), "{progress:?}");
    let summary = summary(&home.join("run"));
    let fingerprints = summary["fingerprints"].as_array().unwrap();
    assert_eq!(fingerprints.len(), 256);
    assert!((66..256).all(|r| fingerprints[r] == fingerprints[r - 63]), "equal k, other bits");
    assert!(
        fingerprints[0] == fingerprints[2] && fingerprints[0] != fingerprints[1],
        "k = 2 is a control, k = 3 is none"
    );
    assert_eq!(summary["control"]["green"], true);
    let page = fs::read_to_string(home.join("run/report.html")).unwrap();
    assert!(page.contains("The other 232 copies") && page.len() < 1_000_000, "{} bytes", page.len());
    let ended = lastbit(&[SMALL, &["--ks", &list(254), "--out", text(&home.join("refused"))]].concat());
    assert_refused(&ended, 2, &["--ks", "give 1 to 256 divisors, not 257"]);
}

#[test]
fn a_run_that_blows_up_says_so() {
    let out = scratch("blow-up").join("run");
    let ended = train(&["--steps", "6", "--lr", "1e30"], &out);
    let lines = json_lines(&out.join("metrics.jsonl"));
    let last = lines.iter().rfind(|line| line["kind"] == "step").unwrap();
    assert!(last["loss"].as_array().unwrap().iter().all(Value::is_null) && last["nonfinite"] == true, "{last}");
    let evaluated = lines.last().unwrap();
    assert!(evaluated["test_loss"][0].is_null() && evaluated["nonfinite"] == true, "{evaluated}");
    assert!(ended.out.contains("loss NaN"), "{ended:?}");
    assert!(!ended.out.contains("00000000"), "{ended:?}");
}

#[test]
fn a_flipped_bit_turns_the_control_red() {
    let out = scratch("flip").join("run");
    // Replica 2 (k = 2) is a control. One element of one convolution differs right after the step.
    let ended = train(&["--steps", "4", "--flip-bit", "layer2.0.conv1.weight:17:3:2"], &out);
    let steps: Vec<Value> =
        json_lines(&out.join("metrics.jsonl")).into_iter().filter(|line| line["kind"] == "step").collect();
    let differing: Vec<_> = steps.iter().map(|step| step["differing"][2].as_u64().unwrap()).collect();
    assert_eq!(differing[..3], [0, 0, 1], "{differing:?}");
    assert!(differing[3] > 1, "the next step does not spread the difference: {differing:?}");
    assert!(ended.out.contains("control: 1 element differs (RED)"), "{ended:?}");
    assert!(ended.err.contains("CONTROL IS RED since step 3"), "{ended:?}");
    let summary = summary(&out);
    assert_eq!(summary["control"]["green"], false);
    assert_eq!(summary["control"]["first_red_step"], 3);
    assert_eq!(summary["flip_bit"], "layer2.0.conv1.weight:17:3:2");
}

#[test]
fn given_weights_start_a_run() {
    let home = scratch("init");
    let (first, second) = (home.join("first"), home.join("second"));
    train(&["--steps", "2", "--seed-init", "7"], &first);
    let init = first.join("init.safetensors");
    train(&["--steps", "2", "--init", text(&init)], &second);
    let read = |run: &std::path::Path, name| fs::read(run.join(name)).unwrap();
    assert_eq!(read(&first, "init.safetensors"), read(&second, "init.safetensors"));
    assert_eq!(read(&first, "metrics.jsonl"), read(&second, "metrics.jsonl"));
    // A value that is not finite: the last element of the last tensor before the running statistics.
    let (broken, bytes) = (home.join("broken.safetensors"), fs::read(&init).unwrap());
    let mut infinite = bytes.clone();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let tensors: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let end = tensors["fc.bias"]["data_offsets"][1].as_u64().unwrap() as usize;
    infinite[8 + header + end - 4..8 + header + end].copy_from_slice(&f32::INFINITY.to_le_bytes());
    fs::write(&broken, infinite).unwrap();
    let out = home.join("refused");
    let flags = [SMALL, &["--init", text(&broken), "--out", text(&out)]].concat();
    assert_refused(&lastbit(&flags), 2, &["--init", "fc.bias", "not finite"]);
    // An endless file.
    #[cfg(unix)]
    {
        let flags = [SMALL, &["--init", "/dev/zero", "--out", text(&out)]].concat();
        assert_refused(&lastbit(&flags), 2, &["--init", "/dev/zero", "too long"]);
    }
    // Weights of another width.
    let out = home.join("wide");
    let wide = [&SMALL[..3], &["--dataset", "synthetic", "--init", text(&init), "--out", text(&out)]];
    assert_refused(&lastbit(&wide.concat()), 2, &["--init", "init.safetensors", "conv1.weight"]);
}

#[test]
fn the_one_layer_network_trains_on_its_checkerboard() {
    let out = scratch("one-layer").join("run");
    let mut flags = vec!["train", "--net", "one-layer", "--lr", "0.01", "--momentum", "0", "--weight-decay", "20"];
    flags.extend(["--batch-size", "1", "--steps", "3", "--ks", "1,3,1", "--out", text(&out)]);
    let ended = lastbit(&flags);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines = json_lines(&out.join("metrics.jsonl"));
    assert_eq!(lines.iter().filter(|line| line["kind"] == "step").count(), 3);
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let home = scratch("dry-run");
    let out = home.join("run");
    let ended = lastbit(&["train", "--dataset", "synthetic", "--dry-run", "--out", text(&out)]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("855770 parameters") && ended.out.contains("memory"), "{ended:?}");
    assert!(!out.exists());
}

#[test]
fn adapters_and_smoke_speak_json() {
    let adapters: Value = serde_json::from_str(&lastbit(&["adapters", "--json"]).out).unwrap();
    let first = adapters.as_array().and_then(|list| list.first()).expect("tests need an adapter");
    let table = lastbit(&["adapters"]);
    assert!(table.code == Some(0) && table.out.contains(first["name"].as_str().unwrap()), "{table:?}");
    let smoke: Value = serde_json::from_str(&lastbit(&["smoke", "--json"]).out).unwrap();
    assert_eq!(smoke["fingerprint"].as_str().map(str::len), Some(16));
}

#[test]
fn benchmarks_speak_json() {
    let flags = ["bench", "--repeats", "1", "--batch-size", "2", "--replicas", "2", "--json", "--filter"];
    let report = |filter: &str| -> Value {
        let ended = lastbit(&[&flags[..], &[filter]].concat());
        assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {}", ended.out))
    };
    let positive = |value: &Value| assert!(value.as_f64().is_some_and(|v| v > 0.0 && v.is_finite()), "{value}");
    let convolutions = report("conv3x3_forward");
    assert!(convolutions["adapter"].is_string() && convolutions["driver"].is_string());
    ["fma_gflops", "copy_gbps", "peak_memory_mib"].iter().for_each(|rate| positive(&convolutions[*rate]));
    let rows = convolutions["rows"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["name"] == "conv3x3_forward"), "{rows:?}");
    assert!(rows.iter().any(|row| row["shape"] == "R2 N2 C512 H4 W4 K512"), "{rows:?}");
    for row in rows {
        let numbers = ["ms", "gflops", "gbps", "fma_share", "copy_share", "times_floor", "memory_mib"];
        numbers.iter().for_each(|number| positive(&row[*number]));
        // The processor has no submits, so its value is 0.
        assert!(row["longest_submit_ms"].as_f64().is_some_and(|ms| ms >= 0.0), "{row}");
    }
    let step = &report("step_resnet8")["rows"][0];
    assert_eq!((&step["name"], &step["shape"]), (&Value::from("step_resnet8"), &Value::from("R2 N2")));
    ["ms", "share_of_metrics", "share_of_host"].iter().for_each(|number| positive(&step[*number]));
    // A difference of two measurements, which may be negative on a busy machine.
    assert!(step["share_beside_convolutions"].as_f64().is_some_and(|share| share < 1.0), "{step}");
}

//! Networks compared at their ends: `compare --ends`, the comparison after a run, and kept logits.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::{Ended, assert_refused, json_lines, lastbit, scratch, text};

/// Trains a small network with these divisors.
fn train(ks: &str, flags: &[&str], out: &Path) -> Ended {
    let network = ["train", "--net", "resnet8", "--width", "0.25", "--dataset", "synthetic", "--batch-size", "8"];
    let limits = ["--train-limit", "64", "--test-limit", "40", "--ks", ks, "--out", text(out)];
    let ended = lastbit(&[&network[..], &limits, flags].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

fn ends(arguments: &[&str]) -> Value {
    let ended = lastbit(&[&["compare", "--ends", "--json", "--images", "64"], arguments].concat());
    assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

fn number(pair: &Value, key: &str) -> f64 {
    pair[key].as_f64().unwrap_or_else(|| panic!("no number {key} in {pair}"))
}

fn page(run: &Path, name: &str) -> String {
    fs::read_to_string(run.join(name)).unwrap()
}

#[test]
fn equal_networks_agree_and_other_seeds_do_not() {
    let home = scratch("ends");
    let (run, other) = (home.join("run"), home.join("other"));
    train("1,3,2", &["--steps", "24", "--checkpoint-every", "12steps", "--lr", "0.05"], &run);
    train("1", &["--seed", "2", "--steps", "24", "--lr", "0.05"], &other);
    assert!(!run.join("ends.json").exists(), "a short run is not compared by itself");

    let found = ends(&[text(&run)]);
    let pairs = found["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 2);
    assert_eq!((&pairs[0]["b"]["label"], &pairs[1]["b"]["label"]), (&"k = 3".into(), &"k = 2".into()));
    for key in ["train_barrier", "test_barrier", "disagreement", "ensemble_gain"] {
        assert_eq!(number(&pairs[1], key), 0.0, "{key} of the control");
    }
    assert!((number(&pairs[1], "correlation") - 1.0).abs() < 1e-9);
    assert!(number(&pairs[0], "correlation") > 0.99, "{}", pairs[0]);
    assert!(number(&pairs[0]["tensors"][0], "distance") > 0.0 && number(&pairs[1]["tensors"][0], "distance") == 0.0);
    assert_eq!(pairs[0]["line"]["t"].as_array().unwrap().len(), 11);
    assert_eq!(serde_json::from_str::<Value>(&page(&run, "ends.json")).unwrap()["pairs"], found["pairs"]);
    let report = page(&run, "report.html");
    assert!(report.contains("The ends compared") && report.contains("line-test"), "{report}");

    // The accuracies are those of an evaluation of all test images.
    let all = lastbit(&["compare", "--ends", text(&run), "--images", "100000"]);
    assert_eq!(all.code, Some(0), "{all:?}");
    assert!(all.out.contains("k = 1 and k = 3") && all.out.contains("disagreement"), "{all:?}");
    let written: Value = serde_json::from_str(&page(&run, "ends.json")).unwrap();
    let lines = json_lines(&run.join("metrics.jsonl"));
    let evaluated = lines.iter().rfind(|line| line["kind"] == "epoch").unwrap();
    for (side, replica) in [(0, 0), (1, 1)] {
        let accuracy = written["pairs"][0]["accuracy"][side].as_f64().unwrap();
        assert!((accuracy - evaluated["test_accuracy"][replica].as_f64().unwrap()).abs() < 1e-9, "{written}");
    }

    // Another seed is far away, and two checkpoints of a run are two networks.
    let seeds = ends(&[text(&run), text(&other)]);
    let pairs_of_seeds = seeds["pairs"].as_array().unwrap();
    assert_eq!(pairs_of_seeds.len(), 3, "the single network is compared with each");
    assert!(number(&pairs_of_seeds[0], "test_barrier") > 10.0 * number(&pairs[0], "test_barrier").abs(), "{seeds}");
    assert_eq!(pairs_of_seeds[1]["a"]["label"], "k = 3");
    assert!(page(&run, "ends.html").contains("the second of other after step 24"));
    let (early, late) = (run.join("checkpoint/step-000012"), run.join("checkpoint/step-000024"));
    let steps = ends(&[text(&early), text(&late)]);
    assert_eq!((&steps["pairs"][0]["a"]["step"], &steps["pairs"][0]["b"]["step"]), (&12.into(), &24.into()));
    assert!(number(&steps["pairs"][0]["tensors"][0], "distance") > 0.0);

    // A file that was changed, or is of an earlier end, is not shown.
    fs::write(run.join("ends.json"), page(&run, "ends.json").replace("\"replica\": 1", "\"replica\": 2")).unwrap();
    assert_eq!(lastbit(&["report", text(&run)]).code, Some(0));
    assert!(!page(&run, "report.html").contains("The ends compared"));
}

#[test]
fn a_run_compares_its_ends_and_keeps_its_logits() {
    let home = scratch("ends-of-run");
    let run = home.join("run");
    let ended = train("1,3", &["--steps", "4", "--ends", "32", "--keep-logits"], &run);
    assert!(ended.out.contains("comparing the end of k = 3 with that of k = 1"), "{ended:?}");
    assert!(ended.out.contains("ensemble gain"), "{ended:?}");
    assert!(page(&run, "report.html").contains("The ends compared"));
    let kept = fs::read(run.join("logits/step-000004.safetensors")).unwrap();
    let header = u64::from_le_bytes(kept[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&kept[8..8 + header]).unwrap();
    let (logits, labels) = (&header["logits"]["shape"], &header["labels"]["shape"]);
    assert_eq!((&logits[0], &logits[1], &logits[2]), (&2.into(), &labels[0], &10.into()), "{header}");

    // A resumed run has the same ends, and a longer one new ones.
    let whole = home.join("whole");
    train("1,3", &["--steps", "6", "--ends", "32"], &whole);
    let ended = lastbit(&["train", "--out", text(&run), "--resume", "--steps", "6"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(page(&run, "ends.json"), page(&whole, "ends.json"));
    assert!(run.join("logits/step-000006.safetensors").exists());
    train("1,3", &["--steps", "4", "--ends", "0"], &home.join("none"));
    assert!(!home.join("none/ends.json").exists());
}

#[test]
fn what_has_no_line_between_is_refused() {
    let home = scratch("ends-refused");
    let (run, narrow) = (home.join("run"), home.join("narrow"));
    train("1", &["--steps", "2"], &run);
    train("1", &["--steps", "2", "--activation", "swish"], &narrow);
    let refused = |arguments: &[&str], parts: &[&str]| {
        assert_refused(&lastbit(&[&["compare"], arguments].concat()), 2, parts);
    };
    refused(&["--ends", text(&run)], &["single copy", "--ks 1,3"]);
    refused(&["--ends", text(&run), text(&narrow)], &["--activation is", "two runs of one network"]);
    refused(&["--ends", text(&home.join("none"))], &["none"]);
    refused(&[text(&run)], &["RUN_FOLDER"]);
    refused(&["--images", "5", text(&run), text(&narrow)], &["--ends"]);
    refused(&["--ends", "--images", "0", text(&run)], &["--images", "whole number from 1"]);
    assert!(!run.join("ends.json").exists() && !run.join("ends.html").exists());
}

//! Runs whose copies are perturbed and along which curvature is measured: they resume, verify and keep their logits as other runs do.

#![cfg(unix)]

use std::fs;
use std::path::Path;

use lastbit_core::train::decode_outputs;
use serde_json::Value;

use crate::common::child::{spawn, stop, wait_for_step};
use crate::common::{
    Ended, SMALL, assert_equal_runs, assert_refused, command, json_lines, lastbit, scratch, text, train,
};

/// Everything that a run can do beside training, with k = 3, a perturbed copy and two controls.
const EVERYTHING: [&str; 21] = [
    "--steps",
    "20",
    "--ks",
    "1,3,1,1,2",
    "--perturb",
    "none,none,4:ulp:1,none,none",
    "--optimizer",
    "adamw",
    "--lr",
    "0.002",
    "--schedule",
    "cosine",
    "--warmup",
    "3",
    "--sharpness",
    "4",
    "--sharpness-images",
    "16",
    "--keep-logits",
    "--ends",
    "16",
];

/// [`SMALL`] without its divisors, and more flags.
fn line<'a>(flags: &[&'a str], out: &'a Path) -> Vec<&'a str> {
    [&SMALL[..SMALL.len() - 2], flags, &["--out", text(out)]].concat()
}

fn trained(flags: &[&str], out: &Path) -> Ended {
    let ended = lastbit(&line(flags, out));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

/// The lines of a kind.
fn lines(run: &Path, kind: &str) -> Vec<Value> {
    json_lines(&run.join("metrics.jsonl")).into_iter().filter(|line| line["kind"] == kind).collect()
}

#[test]
fn a_run_with_everything_on_resumes_and_verifies() {
    let home = scratch("everything");
    let (whole, stopped) = (home.join("whole"), home.join("stopped"));
    let flags = [&EVERYTHING[..], &["--resume", "--keep-checkpoints", "50"]].concat();
    trained(&flags, &whole);
    // After steps 8 and 16 the curvature is measured, which takes longer than steps do.
    for at in [8, 13, 16] {
        let child = spawn(command(line(&flags, &stopped)));
        wait_for_step(&stopped, at);
        let ended = stop(child, "INT");
        assert!(matches!(ended.code, Some(130 | 0)), "{ended:?}");
    }
    trained(&flags, &stopped);
    assert_equal_runs(&whole, &stopped, &[20]);
    for name in ["ends.json", "logits/step-000008.safetensors", "logits/step-000020.safetensors"] {
        assert_eq!(fs::read(whole.join(name)).unwrap(), fs::read(stopped.join(name)).unwrap(), "{name}");
    }
    let steps: Vec<_> = lines(&whole, "curvature").iter().map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [0, 4, 8, 12, 16, 20]);

    // The copies part as they should, and the controls never do.
    for step_line in lines(&whole, "step") {
        let step = step_line["step"].as_u64().unwrap();
        let differing: Vec<u64> = (0..5).map(|r| step_line["differing"][r].as_u64().unwrap()).collect();
        assert_eq!((differing[2] > 0, differing[3], differing[4]), (step >= 4, 0, 0), "{step_line}");
    }
    assert!(lines(&whole, "step").iter().any(|line| line["differing"][1] != 0), "k = 3 differs at some step");

    let ended = lastbit(&["verify", text(&stopped)]);
    assert!(ended.code == Some(0) && ended.out.contains("verified: every bit is the same"), "{ended:?}");
    let ended = lastbit(&["verify", text(&stopped), "--steps", "17..20"]);
    assert!(ended.code == Some(0) && ended.out.contains("verified: every bit is the same"), "{ended:?}");
}

#[test]
fn kept_logits_are_those_of_the_evaluations() {
    let run = scratch("logits").join("run");
    train(&["--steps", "20", "--keep-logits"], &run);
    let evaluations = lines(&run, "epoch");
    assert!(evaluations.len() >= 3, "{evaluations:?}");
    for line in evaluations {
        let step = line["step"].as_u64().unwrap();
        let file = run.join(format!("logits/step-{step:06}.safetensors"));
        let (outputs, labels) = decode_outputs(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(outputs.len(), line["test_accuracy"].as_array().unwrap().len());
        for (replica, of_one) in outputs.iter().enumerate() {
            let [accuracy, loss] = ["test_accuracy", "test_loss"].map(|key| line[key][replica].as_f64().unwrap());
            assert!((of_one.accuracy(&labels) - accuracy).abs() < 1e-9, "{line}");
            let of_logits = of_one.loss(lastbit_core::ops::cross_entropy::Loss::SoftmaxCrossEntropy, &labels);
            assert!((of_logits - loss).abs() < 1e-5 * loss, "{of_logits}: {line}");
        }
    }
}

#[test]
fn displaced_copies_resume() {
    let home = scratch("displaced-resume");
    let (whole, parts) = (home.join("whole"), home.join("parts"));
    let flags =
        ["--ks", "1,1,1", "--lyapunov", "3", "--lyapunov-distances", "0.01,0.01", "--sharpness", "6", "--resume"];
    trained(&[&flags[..], &["--steps", "14"]].concat(), &whole);
    for steps in ["6", "9", "14"] {
        trained(&[&flags[..], &["--steps", steps]].concat(), &parts);
    }
    assert_equal_runs(&whole, &parts, &[14]);
    let growth = lines(&whole, "growth");
    assert_eq!(growth.iter().map(|line| line["step"].as_u64().unwrap()).collect::<Vec<_>>(), [3, 6, 9, 12]);
    assert!(growth.iter().all(|line| line["growth"][1] == line["growth"][2]), "copies at one distance are equal");
}

#[test]
fn a_comparison_that_is_missing_is_made_up_for() {
    let run = scratch("missing-ends").join("run");
    train(&["--steps", "4", "--ends", "16"], &run);
    let before = fs::read(run.join("ends.json")).unwrap();
    let ended = train(&["--steps", "4", "--resume"], &run);
    assert_eq!(ended.out.lines().count(), 1, "{ended:?}");
    fs::remove_file(run.join("ends.json")).unwrap();
    let ended = train(&["--steps", "4", "--resume"], &run);
    assert!(ended.out.contains("finished after 4 steps") && ended.out.contains("ensemble gain"), "{ended:?}");
    assert_eq!(fs::read(run.join("ends.json")).unwrap(), before);
}

#[test]
fn what_would_do_nothing_is_refused() {
    let out = scratch("nothing-to-do").join("run");
    let refused = |flags: &[&str], parts: &[&str]| {
        let ended = lastbit(&line(flags, &out));
        assert_refused(&ended, 2, parts);
        assert!(!out.exists(), "{flags:?} left files behind");
    };
    refused(
        &["--ks", "1,1", "--perturb", "none,9:ulp:1", "--steps", "8"],
        &["--perturb: there is no step 9, the run ends after step 8"],
    );
    refused(&["--ks", "1", "--ends", "16", "--steps", "2"], &["--ends", "a single copy", "--ks 1,3"]);
    let parts = ["--ks", "1,3,5", "--adapters", "processor,processor:separate", "--ends", "16", "--steps", "2"];
    refused(&parts, &["--ends", "single run", "lastbit compare --ends"]);
}

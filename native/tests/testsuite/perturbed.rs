//! Runs whose copies are perturbed or displaced: what the terminal and the report say of them.

use std::fs;
use std::path::Path;

use crate::common::{lastbit, scratch, text};

/// Five steps of an MLP with full batches; the copies are given by the flags of each test.
const RUN: &[&str] = &[
    "train",
    "--net",
    "mlp1",
    "--width",
    "0.25",
    "--dataset",
    "synthetic",
    "--batch-size",
    "16",
    "--train-limit",
    "16",
    "--test-limit",
    "8",
    "--no-shuffle",
    "--no-augment",
    "--momentum",
    "0",
    "--eval-every",
    "0",
    "--steps",
    "5",
    "--ends",
    "0",
];

/// Trains with more flags. Returns what the terminal shows, and the page.
fn train(flags: &[&str], out: &Path) -> (String, String) {
    let ended = lastbit(&[RUN, flags, &["--out", text(out)]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    (ended.out, fs::read_to_string(out.join("report.html")).unwrap().replace('\u{a0}', " "))
}

#[test]
fn perturbed_copies_have_their_own_names() {
    let out = scratch("perturbed").join("run");
    let (shown, page) = train(&["--perturb", "none,3:ulp:1,none", "--sharpness", "5", "--weight-decay", "2"], &out);
    assert!(shown.contains(" with k = 1: undisturbed; 1 ulp before step 3; undisturbed (r2), 5 steps"), "{shown}");
    assert!(shown.contains("| 1 ulp before step 3 loss ") && shown.contains("| undisturbed (r2) loss "), "{shown}");
    assert!(shown.contains("(2/lr - 2 = 18.0)"), "{shown}");
    assert!(shown.contains("control green"), "{shown}");
    assert!(page.contains("1 ulp before step 3 left the undisturbed copy after step 3"));
    assert!(page.contains(
        "undisturbed (r2) must equal the undisturbed copy bit for bit. It did, after each of 5 steps. Whatever else"
    ));
    assert!(page.contains("the perturbation is the reason.") && !page.contains("k is the reason"));
    assert!(page.contains("2/lr - 2"));
}

#[test]
fn displaced_copies_are_not_told_to_have_a_control() {
    let out = scratch("displaced").join("run");
    let (shown, page) = train(&["--lyapunov", "2", "--lyapunov-distances", "0.01,0.1"], &out);
    assert!(shown.contains(" with k = 1: undisturbed; at distance 1e-2; at distance 1e-1, 5 steps"), "{shown}");
    let line = shown.lines().find(|line| line.starts_with("step 4: distances changed by ")).unwrap();
    let factors = line.trim_start_matches("step 4: distances changed by ").trim_end_matches(" in 2 steps");
    let factors: Vec<f64> = factors.split(", ").map(|factor| factor.parse().unwrap()).collect();
    assert!(factors.len() == 2 && factors.iter().all(|factor| (0.5..2.0).contains(factor)), "{line}");
    assert!(
        page.contains("a run with --lyapunov has no control")
            && page.contains("Their Lyapunov exponent up to step 4 is ")
    );
    for falsehood in ["last bit separates", "rounding of a last bit", "a second time", "k is the only"] {
        assert!(!page.contains(falsehood), "{falsehood}");
    }
}

//! Whole pages of small made-up runs: what they say of the copies' difference, by what was done to the copies.

use std::path::Path;

use lastbit_core::train::TrainConfig;
use serde_json::{Value, json};

use super::data::RunData;
use super::page::page;
use super::{conclusions, headline};
use crate::html::Light;
use crate::run_config::RunConfig;

/// Three steps, after which each copy that is no control is 0.25 from the first one; `growth` lines where copies are displaced.
fn run(train: TrainConfig) -> RunData {
    run_of(train, 3, 1)
}

/// So many steps, from `parting` on with copies that differ.
fn run_of(train: TrainConfig, steps: u64, parting: u64) -> RunData {
    let n = train.ks.len();
    let controls = train.controls();
    let is_displaced = train.lyapunov.is_some();
    let config = RunConfig { train, ..RunConfig::default() };
    let manifest = json!({ "environment": { "class": "fused" } });
    let summary = json!({ "finished": true, "step": steps, "steps_per_epoch": 1 });
    let mut run = RunData::new(Path::new("no-such-run"), config, manifest, summary);
    let differs = |r: usize| r > 0 && !controls.contains(&r);
    let column = |value: f64| (0..n).map(|r| if differs(r) { value } else { 0.0 }).collect::<Vec<_>>();
    let mut lines: Vec<Value> = (1..=steps)
        .map(|step| {
            let column = |value: f64| column(if step < parting { 0.0 } else { value });
            json!({
                "kind": "step", "step": step, "epoch": 0, "lr": 0.1, "loss": vec![1.0; n], "rel_l1": column(0.25),
                "max_ulp": column(9.0), "differing": column(5.0)
            })
        })
        .collect();
    if is_displaced {
        lines.push(json!({ "kind": "growth", "step": steps, "steps": 3, "growth": column(0.3) }));
    }
    let accuracy: Vec<f64> = (0..n).map(|r| if differs(r) { 50.0 + r as f64 } else { 50.0 }).collect();
    lines.push(json!({
        "kind": "epoch", "epoch": 3, "step": steps, "lr": 0.1, "train_loss": vec![1.0; n], "train_accuracy": vec![50.0; n],
        "test_loss": vec![1.0; n], "test_accuracy": accuracy
    }));
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    run.read_metrics(text.as_bytes()).unwrap();
    assert_eq!(run.ignored, 0);
    run
}

fn config(ks: &[u32], perturb: &str) -> TrainConfig {
    let perturb = perturb.split_terminator(',').map(|entry| entry.parse().unwrap()).collect();
    TrainConfig { ks: ks.to_vec(), perturb, ..TrainConfig::default() }
}

fn displaced(ks: &[u32], perturb: &str, distances: &[f64]) -> TrainConfig {
    TrainConfig { lyapunov: Some(3), lyapunov_distances: distances.to_vec(), ..config(ks, perturb) }
}

/// The first point of what a run shows.
fn shown(run: &RunData) -> String {
    conclusions::shown(run).remove(0)
}

fn lamp(run: &RunData) -> (Light, String) {
    let (light, _, meaning) = headline::lamp(run);
    (light, meaning)
}

/// Checks that the page says nothing of the last bit or of k where k has no part in the run.
fn assert_silent_about_k(run: &RunData) {
    let text = page(run).unwrap().replace('\u{a0}', " ");
    for falsehood in [
        "k is the",
        "than k changes",
        "to k.",
        "last bit separates",
        "Which k is best",
        "rounding of a last bit",
        "add k =",
    ] {
        assert!(!text.contains(falsehood), "{falsehood}");
    }
    assert!(!text.contains("<dt>k</dt>"));
}

#[test]
fn a_panel_shows_the_steps_in_which_copies_part() {
    for (parting, caption) in [
        (2, "The first 60 steps"),
        (29, "The first 60 steps"),
        (100, "60 steps from step 95 on"),
        (299, "60 steps from step 241 on"),
        (400, "The first 60 steps"),
    ] {
        let text = page(&run_of(config(&[1, 3, 2], ""), 300, parting)).unwrap().replace('\u{a0}', " ");
        assert!(text.contains(caption) && text.contains("All 300 steps"), "parting at {parting}: no '{caption}'");
    }
}

#[test]
fn k_is_the_reason_where_nothing_else_was_done() {
    let run = run(config(&[1, 3, 2], ""));
    assert_eq!(
        shown(&run),
        "k is the only difference between the copies, and the control proves it for this run. On paper k changes nothing; every \
         difference began as the rounding of a last bit."
    );
    assert_eq!(
        lamp(&run),
        (
            Light::Green,
            "A power of two divides exactly, so k = 2 must equal k = 1 bit for bit. It did, after each of 3 steps. Whatever else \
             differs here, k is the reason."
                .to_owned()
        )
    );
    let text = page(&run).unwrap();
    assert!(text.contains("<dt>k</dt>") && text.contains("Nothing but the last bit separates these copies."));
    let without = self::run(config(&[3, 1], ""));
    assert!(lamp(&without).1.ends_with("add k = 6, or k = 3 a second time to --ks."), "{:?}", lamp(&without));
}

#[test]
fn perturbations_are_the_reason_where_all_have_one_k() {
    let run = run(config(&[1; 4], "none,2:ulp:1,1:gaussian:0.001,none"));
    assert_eq!((run.label(0), run.label(3)), ("undisturbed".to_owned(), "undisturbed (r3)".to_owned()));
    assert_eq!(
        shown(&run),
        "The perturbations are the only differences between the copies, and the control proves it for this run. 2 copies were \
         perturbed, each once: 1 ulp before step 2; gaussian 0.001 before step 1. Until its perturbation, a copy has the bits of a \
         run without one."
    );
    assert_eq!(
        lamp(&run),
        (
            Light::Green,
            "Without a perturbation the arithmetic is the same, so undisturbed (r3) must equal the undisturbed copy bit for bit. It did, \
             after each of 3 steps. Whatever else differs here, the perturbations are the reason."
                .to_owned()
        )
    );
    assert_eq!(
        headline::sentence(&run),
        "1 ulp before step 2 and gaussian 0.001 before step 1 left the undisturbed copy after step 1 (0.25) and were 0.25 apart by step 3; the \
         control undisturbed (r3) never differed in a bit."
    );
    assert_silent_about_k(&run);
    let text = page(&run).unwrap();
    assert!(text.contains("Nothing but the perturbations separates these copies."));
    assert!(text.contains("<dt>Perturbation: ulp</dt>") && text.contains("<dt>Perturbation: gaussian</dt>"));
    assert!(!text.contains("<dt>Perturbation: gradient</dt>"));
}

#[test]
fn a_perturbed_run_without_a_control_says_how_to_have_one() {
    let run = run(config(&[1, 1], "none,2:ulp:1"));
    let (light, meaning) = lamp(&run);
    assert_eq!(light, Light::Off);
    assert_eq!(
        meaning,
        "This run has no copy that must equal the undisturbed copy bit for bit, so it cannot prove that the perturbation alone makes the \
         difference. For that, add another none to --perturb, and k = 1 to --ks, if you give it."
    );
    assert!(
        shown(&run).starts_with("The perturbation is the only difference between the copies, by construction;"),
        "{}",
        shown(&run)
    );
    assert_silent_about_k(&run);
    // The advice works.
    assert_eq!(config(&[1; 3], "none,2:ulp:1,none").controls(), [2]);
}

#[test]
fn long_names_are_numbers_beside_curves() {
    let poked = run(config(&[1; 4], "none,2:ulp:1,1:gaussian:0.001,none"));
    assert_eq!((0..4).map(|r| poked.short(r)).collect::<Vec<_>>(), ["r0", "r1", "r2", "r3"]);
    let text = page(&poked).unwrap();
    assert!(
        text.contains(
            "r0: undisturbed; r1: 1 ulp before step 2; r2: gaussian 0.001 before step 1; r3: undisturbed (r3)."
        ),
        "no key"
    );
    for short in [run(displaced(&[1; 2], "", &[0.001])), run(config(&[1, 3, 1], ""))] {
        assert!((0..short.ks().len()).all(|r| short.short(r) == short.label(r)));
        assert!(!page(&short).unwrap().contains("r0: "));
    }
}

#[test]
fn k_and_perturbations_are_told_apart_only_where_they_can_be() {
    let run = run(config(&[1, 3, 1, 3, 2], "none,none,2:ulp:1,2:ulp:1,none"));
    assert_eq!(
        shown(&run),
        "k and the perturbations are the only differences between the copies, and the control proves it for this run. 2 copies were \
         perturbed, each once: 1 ulp before step 2. Until its perturbation, a copy has the bits of a run without one. On paper k \
         changes nothing; what k alone changed began as the rounding of a last bit. Where a copy has both another k and another \
         perturbation, the run does not tell their effects apart."
    );
    let (light, meaning) = lamp(&run);
    assert_eq!(light, Light::Green);
    assert_eq!(
        meaning,
        "The same k and the same perturbation, or none, are the same arithmetic, and a power of two divides exactly, so “k = 2, \
         undisturbed” must equal “k = 1, undisturbed” bit for bit. It did, after each of 3 steps. Whatever else differs here, what was \
         done to that copy is the reason: its k, its perturbation, or both."
    );
    assert!(
        headline::sentence(&run).starts_with(
            "“k = 3, undisturbed”, “k = 1, 1 ulp before step 2” and “k = 3, 1 ulp before step 2” left “k = 1, undisturbed” after step 1"
        ),
        "{}",
        headline::sentence(&run)
    );
    let text = page(&run).unwrap();
    assert!(text.contains("<dt>k</dt>") && text.contains("<dt>Perturbation: ulp</dt>"));
    // A copy with the first one's perturbation is a control, whatever that is.
    let apart = self::run(config(&[1, 3, 1], "none,none,2:ulp:1"));
    assert!(!shown(&apart).contains("apart"), "no copy has both: {}", shown(&apart));
    let both = self::run(config(&[1, 3, 2], "2:ulp:1,2:ulp:1,2:ulp:1"));
    assert!(lamp(&both).1.ends_with("Whatever else differs here, k is the reason."), "{:?}", lamp(&both));
}

#[test]
fn a_red_control_of_a_perturbed_run_clears_the_perturbations_of_nothing() {
    let mut run = run(config(&[1; 3], "none,2:ulp:1,none"));
    run.steps.differing[2][1] = 1.0;
    let (light, meaning) = lamp(&run);
    assert_eq!(light, Light::Red);
    assert!(
        meaning.ends_with(
            "Something other than the perturbation changes bits: nothing in this report can be attributed to the perturbation."
        ),
        "{meaning}"
    );
    assert_eq!(shown(&run), "Nothing about the perturbation: the control is red, so something else changes bits.");
}

#[test]
fn displacements_are_no_rounding() {
    let run = run(displaced(&[1; 3], "", &[0.001, 1.0]));
    assert_eq!(
        headline::sentence(&run),
        "Every copy but the first was displaced from the first one by 0.001 and 1 before the first step, and returned to its distance after \
         every 3 steps. Their Lyapunov exponent up to step 3 is 0.10 a step."
    );
    assert!(
        shown(&run).starts_with(
            "The displacements are the only differences between the copies, by construction; a run with --lyapunov has no control. \
             Every copy but the first was displaced from the first one by 0.001 and 1 "
        ),
        "{}",
        shown(&run)
    );
    let (light, meaning) = lamp(&run);
    assert_eq!(light, Light::Off);
    assert!(meaning.contains("a run with --lyapunov has no control") && !meaning.contains("add "), "{meaning}");
    assert!(conclusions::shown(&run).iter().any(|point| point.contains("distances grew exponentially")));
    assert!(headline::facts(&run).iter().all(|(what, _)| what != "first bit differs"));
    assert_silent_about_k(&run);
    let text = page(&run).unwrap();
    assert!(text.contains("<dt>Displacement</dt>") && !text.contains("these are different networks"));
    // Together with other k, nothing can be told apart.
    let mixed = self::run(displaced(&[1, 3], "", &[0.001]));
    assert!(shown(&mixed).starts_with("k and the displacements are the only differences"), "{}", shown(&mixed));
    assert!(shown(&mixed).ends_with("The run does not tell their effects apart."), "{}", shown(&mixed));
}

#[test]
fn curvature_stands_beside_the_edge_of_what_is_trained() {
    let told = |train: TrainConfig| {
        let mut run = run(train);
        let line = json!({
            "kind": "curvature", "step": 0, "lr": 0.01, "replica": 0, "lambda_max": 150.0, "product_error": 0.0, "batch_sharpness": 1.0,
            "batch_sharpness_error": 0.0, "loss": 1.0
        });
        let next = line.to_string().replace("\"step\":0", "\"step\":3");
        run.read_metrics(format!("{line}\n{next}\n").as_bytes()).unwrap();
        page(&run).unwrap()
    };
    let sgd = |momentum, weight_decay| TrainConfig { momentum, weight_decay, ..config(&[1, 3, 2], "") };
    let plain = told(sgd(0.0, 20.0));
    assert!(plain.contains(
        "reaches 2/lr - 20; with small batches, Batch Sharpness settles there. The weight decay is subtracted"
    ));
    // The values that the pointer reads.
    assert!(plain.contains(r#"["2/lr - 20",[180.0,180.0]]"#), "the line is not at 2/0.01 - 20");
    assert!(!plain.contains(r#"["2/lr","#), "the line without decay is drawn");
    let momentum = told(sgd(0.9, 0.0));
    assert!(momentum.contains("reaches 2(1+b)/(1+2b)/lr; with small batches, Batch Sharpness settles near 2(1-b)/lr."));
    assert!(!momentum.contains("settles there") && momentum.contains(r#"["edge, full batches",["#));
    let adamw = told(TrainConfig { optimizer: lastbit_core::train::Optimizer::AdamW, ..sgd(0.9, 0.01) });
    assert!(adamw.contains("For AdamW no edge of stability is drawn.") && !adamw.contains("2/lr"));
}

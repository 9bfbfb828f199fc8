//! Perturbations of single replicas and Lyapunov exponents: what is disturbed when, and that nothing else is.

mod runs;

use lastbit_core::train::{Event, GrowthEvent, Perturb, Start, StepEvent, TrainConfig, Tuning};
use runs::{Outcome, finish, run, run_tuned, small, trainer};

fn steps(outcome: &Outcome) -> Vec<StepEvent> {
    let only = |event: &Event| match event {
        Event::Step(step) => Some(step.clone()),
        _ => None,
    };
    outcome.events.iter().filter_map(only).collect()
}

fn growth(outcome: &Outcome) -> Vec<GrowthEvent> {
    let only = |event: &Event| match event {
        Event::Growth(growth) => Some(growth.clone()),
        _ => None,
    };
    outcome.events.iter().filter_map(only).collect()
}

fn perturbed(entries: &[&str], steps: u64) -> TrainConfig {
    let perturb: Vec<Perturb> = entries.iter().map(|text| text.parse().unwrap()).collect();
    TrainConfig { ks: vec![1; perturb.len()], perturb, steps: Some(steps), ..small() }
}

/// All kinds at once, one of them twice.
fn all_kinds(steps: u64) -> TrainConfig {
    let entries = ["none", "5:ulp:1", "7:scale:0.01", "3:gaussian:0.001", "6:gradient:0.01", "none", "5:ulp:1"];
    perturbed(&entries, steps)
}

#[test]
fn steps_before_a_perturbation_are_equal_to_the_bit() {
    let outcome = run(&all_kinds(9));
    for step in steps(&outcome) {
        let first_differing = [u64::MAX, 5, 7, 3, 6, u64::MAX, 5];
        for (replica, first) in first_differing.iter().enumerate() {
            let differs = step.differing_anywhere[replica] > 0;
            assert_eq!(differs, step.step >= *first, "replica {replica} at step {}", step.step);
            // The loss of a step is that of the perturbed weights.
            if step.step < *first {
                assert_eq!(step.loss[replica].to_bits(), step.loss[0].to_bits());
            }
        }
        assert_eq!(step.differing[1], step.differing[6], "the same perturbation has the same effect");
    }
}

#[test]
fn a_perturbed_replica_changes_no_other_and_does_not_depend_on_chunks() {
    let config = all_kinds(8);
    let reference = run(&config);
    let chunks = run_tuned(&config, Tuning { chunk_replicas: Some(2), ..Tuning::default() });
    assert_eq!(reference.state, chunks.state);
    let plain = run(&TrainConfig { perturb: Vec::new(), ks: vec![1], ..config.clone() });
    assert_eq!(plain.state.replicas[0], reference.state.replicas[0]);
    assert_eq!(plain.state.replicas[0], reference.state.replicas[5]);
    // Replica 3 beside replica 0 alone.
    let pair = run(&config.with_replicas(&[0, 3]));
    assert_eq!(pair.state.replicas[1], reference.state.replicas[3]);
    assert_eq!(config.controls(), [5], "only what is not perturbed is a control");
}

/// The difference of one replica's first step with perturbation from the weights without it.
fn displacement(entry: &str) -> Vec<Vec<f64>> {
    // A step so small that the perturbation alone is seen.
    let config = TrainConfig { lr: 1e-30, weight_decay: 0.0, ..perturbed(&["none", entry], 1) };
    let state = run(&config).state;
    let [a, b] = [0, 1].map(|r| &state.replicas[r].weights.parameters);
    let pairs = a.iter().zip(b);
    // What begins at 0 shows the update, too.
    let moved = |a: &f32, b: &f32| Some(f64::from(*b) - f64::from(*a)).filter(|d| d.abs() > 1e-20).unwrap_or(0.0);
    pairs.map(|(a, b)| a.iter().zip(b).map(|(a, b)| moved(a, b)).collect()).collect()
}

fn changed(tensors: &[Vec<f64>]) -> Vec<usize> {
    (0..tensors.len()).filter(|&t| tensors[t].iter().any(|d| *d != 0.0)).collect()
}

fn norm(tensors: &[Vec<f64>]) -> f64 {
    tensors.iter().flatten().map(|d| d * d).sum::<f64>().sqrt()
}

#[test]
fn each_kind_changes_what_it_says() {
    let network = run(&perturbed(&["none"], 1)).network;
    let count = |tensors: &[Vec<f64>]| tensors.iter().flatten().filter(|d| **d != 0.0).count();
    let is_convolution = |t: &usize| network.parameters[*t].measured;
    for entry in ["1:ulp:1", "1:ulp:4", "1:scale:0.5", "1:scale:-0.5:99"] {
        let moved = displacement(entry);
        assert_eq!(count(&moved), 1, "{entry}");
        assert!(changed(&moved).iter().all(is_convolution), "{entry}");
    }
    assert_eq!(network.parameters[0].name, "conv1.weight");
    assert_eq!(changed(&displacement("1:ulp:1:conv1.weight")), [0]);
    assert_ne!(
        displacement("1:scale:0.5:conv1.weight:1"),
        displacement("1:scale:0.5:conv1.weight:2"),
        "the seed chooses"
    );
    let everywhere = displacement("1:gaussian:0.01");
    let is_random = |t: &usize| {
        !network.parameters[*t].name.contains("bn") && !network.parameters[*t].name.contains("downsample.1")
    };
    let random: Vec<usize> = (0..network.parameters.len()).filter(is_random).collect();
    assert_eq!(changed(&everywhere), random, "all but the scales and shifts of norms");
    // Along the gradient as far as the random one on average: their squares have a relative spread of sqrt(2 / n).
    let along = displacement("1:gradient:0.01");
    let ratio = norm(&along) / norm(&everywhere);
    assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
    let back = displacement("1:gradient:-0.01");
    let sum: Vec<Vec<f64>> =
        along.iter().zip(&back).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect()).collect();
    assert!(norm(&sum) < 1e-4 * norm(&along), "the sign turns the direction");
}

#[test]
fn a_gradient_perturbation_climbs_the_loss() {
    let outcome = run(&perturbed(&["none", "1:gradient:0.01", "1:gradient:-0.01"], 1));
    let loss = &steps(&outcome)[0].loss;
    assert!(loss[1] > loss[0] && loss[0] > loss[2], "{loss:?}");
}

#[test]
fn what_cannot_be_perturbed_is_refused() {
    for (entry, part) in [
        ("0:ulp:1", "numbered from 1"),
        ("1:ulp:0.5", "whole number"),
        ("1:scale:1e-9", "no float32 changes"),
        ("1:gaussian:-1", "above 0"),
        ("1:gradient:0", "not 0"),
    ] {
        let error = perturbed(&["none", entry], 1).validate().unwrap_err().to_string();
        assert!(error.starts_with("perturb: ") && error.contains(part), "{entry}: {error}");
    }
    for (entry, part) in
        [("1:ulp:1:conv9.weight", "has no tensor"), ("1:gaussian:1:bn1.weight", "begins as a constant")]
    {
        let config = perturbed(&["none", entry], 1);
        let (dataset, start) = (runs::dataset(), Start::Fresh);
        let new = lastbit_core::train::Trainer::new(runs::context(), config, dataset, Tuning::default(), start);
        let error = pollster::block_on(new).err().unwrap().to_string();
        assert!(error.contains(part), "{entry}: {error}");
    }
    let error = TrainConfig { ks: vec![1, 1, 1], ..perturbed(&["none", "1:ulp:1"], 1) }.validate().unwrap_err();
    assert!(error.to_string().contains("each of the 3 replicas") && error.to_string().ends_with("not 2"), "{error}");
    for text in ["", "x", "1:ulp", "1:up:1", "1:ulp:1:a:b", "1:ulp:1::2", "1:ulp:1:a:1:2", "ulp:1:1"] {
        assert!(text.parse::<Perturb>().unwrap_err().contains("STEP:KIND:SIZE"), "{text}");
    }
    for text in
        ["none", "100:ulp:1", "1:scale:-0.5:7", "3:gaussian:0.01:conv1.weight", "3:gradient:0.01:conv1.weight:9"]
    {
        assert_eq!(text.parse::<Perturb>().unwrap().to_string(), text);
    }
}

/// Stops after every piece of work that the state of a later start can tell from the one before, saves, and continues with a new trainer:
/// right after a step, in the middle of a measurement, and after it.
fn resumed_everywhere(config: &TrainConfig) -> (Vec<String>, lastbit_core::train::State) {
    pollster::block_on(async {
        let mut lines = Vec::new();
        let mut start = Start::Fresh;
        // A measurement is stopped once, then done.
        let mut stopped_in = None;
        loop {
            let mut trainer = trainer(config, Tuning::default(), start).await;
            let first = (trainer.submitted(), trainer.reported());
            let mut is_finished = false;
            let mut pieces = 0;
            while !is_finished {
                let progress = trainer.advance().await.unwrap();
                lines.extend(progress.events.iter().map(Event::to_json));
                is_finished = progress.finished;
                pieces += 1;
                let here = (trainer.submitted(), trainer.reported());
                let is_inside = pieces == 2 && here == first && stopped_in != Some(here.0);
                if here.0 > 0 && (here != first || is_inside) {
                    stopped_in = is_inside.then_some(here.0).or(stopped_in);
                    break;
                }
            }
            lines.extend(trainer.flush().await.unwrap().iter().map(Event::to_json));
            let state = trainer.state().await.unwrap();
            if is_finished {
                return (lines, state);
            }
            start = Start::State(state);
        }
    })
}

#[test]
fn a_resumed_run_with_everything_on_equals_the_undisturbed_one() {
    let config = TrainConfig {
        sharpness: Some(3),
        sharpness_images: Some(8),
        lyapunov: Some(2),
        lyapunov_distances: vec![1e-3, 1e-2, 1e-2],
        ks: vec![1, 1, 1, 3],
        // At the first step that only the longer run has.
        lr_changes: vec!["7:0.01".parse().unwrap()],
        ..perturbed(&["none", "3:ulp:1", "4:gradient:0.01", "none"], 6)
    };
    let whole = run(&config);
    let lines: Vec<String> = whole.events.iter().map(Event::to_json).collect();
    assert_eq!(lines.iter().filter(|line| line.contains("curvature")).count(), 3);
    assert_eq!(lines.iter().filter(|line| line.contains("growth")).count(), 3);
    let (resumed_lines, resumed) = resumed_everywhere(&config);
    assert_eq!(lines, resumed_lines);
    assert_eq!(whole.state, resumed);
    // A longer run begins with the same lines and goes on from the end of the shorter one.
    let longer = run(&TrainConfig { steps: Some(9), ..config.clone() });
    let of_training =
        |lines: &[String]| -> Vec<String> { lines.iter().filter(|l| !l.contains("epoch\":")).cloned().collect() };
    let longer_lines: Vec<String> = longer.events.iter().map(Event::to_json).collect();
    assert!(of_training(&longer_lines).starts_with(&of_training(&lines)));
    let extended = pollster::block_on(async {
        let config = TrainConfig { steps: Some(9), ..config.clone() };
        let mut trainer = trainer(&config, Tuning::default(), Start::State(whole.state)).await;
        finish(&mut trainer).await;
        trainer.state().await.unwrap()
    });
    assert_eq!(extended, longer.state);
}

#[test]
fn replicas_return_to_their_distances() {
    let config = TrainConfig {
        ks: vec![1; 4],
        lyapunov: Some(4),
        lyapunov_distances: vec![1e-3, 1e-2, 1e-2],
        steps: Some(12),
        ..small()
    };
    let outcome = run(&config);
    let found = growth(&outcome);
    assert_eq!(found.iter().map(|event| (event.step, event.steps)).collect::<Vec<_>>(), [(4, 4), (8, 4), (12, 4)]);
    assert!(found.iter().all(|event| event.growth[0] == 0.0));
    // The distance just before the return, from the state, is what the line says.
    let stopped = run(&TrainConfig { steps: Some(8), ..config.clone() });
    let parameters = |r: usize| stopped.state.replicas[r].weights.parameters.iter().flatten();
    for (replica, wanted) in [(1, 1e-3), (2, 1e-2)] {
        let squares = parameters(replica).zip(parameters(0)).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
        let distance = squares.sum::<f64>().sqrt();
        assert!((found[1].growth[replica] - (distance / wanted).ln()).abs() < 1e-9);
    }
    assert!(config.controls().is_empty(), "displaced replicas are no controls");
    assert_eq!(stopped.state.replicas[2], stopped.state.replicas[3], "copies at one distance");
}

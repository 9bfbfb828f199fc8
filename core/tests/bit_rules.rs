//! The bit rules (docs/RULES.md) hold to the last bit in real training.

mod runs;

use lastbit_core::device::{Family, Fill};
use lastbit_core::nets::NetKind;
use lastbit_core::ops::sgd::Perturbation;
use lastbit_core::ops::{Tile, TileTarget, Tiles};
use lastbit_core::record::Command;
use lastbit_core::train::{
    BatchSizes, Event, FlipBit, MemoryLimits, Optimizer, PeekRange, Plan, RecordingKind, Schedule, Start, State,
    TrainConfig, Trainer, Tuning, checkpoint,
};
use runs::{Outcome, context, dataset, run, run_tuned, small, trainer};

fn step_events(outcome: &Outcome) -> impl Iterator<Item = &lastbit_core::train::StepEvent> {
    outcome.events.iter().filter_map(|e| match e {
        Event::Step(step) => Some(step),
        _ => None,
    })
}

/// The bits of a replica's parameters, optimiser state and running statistics.
fn bits(state: &State, replica: usize) -> Vec<u32> {
    let replica = &state.replicas[replica];
    let optimizer = replica.optimizer.iter().flat_map(|arena| &arena.values);
    let tensors = replica.weights.parameters.iter().chain(optimizer);
    tensors.chain(replica.weights.running.iter().flatten()).flatten().map(|v| v.to_bits()).collect()
}

fn files(config: &TrainConfig, outcome: &Outcome) -> Vec<(String, Vec<u8>)> {
    let lines: String = outcome.events.iter().map(|e| e.to_json() + "\n").collect();
    let mut files = checkpoint::encode_state(&outcome.network, config, &outcome.state);
    files.push(("metrics.jsonl".to_owned(), lines.into_bytes()));
    files
}

#[test]
fn equal_runs_give_equal_files() {
    let config = TrainConfig { ks: vec![1, 3], steps: Some(12), ..small() };
    let (first, second) = (run(&config), run(&config));
    assert_eq!(files(&config, &first), files(&config, &second));
    let other = TrainConfig { seed: 2, ..config.clone() };
    assert_ne!(files(&config, &first), files(&other, &run(&other)), "the seed changes nothing");
}

/// AdamW with a warm-up and a falling learning rate.
fn adamw() -> TrainConfig {
    let (optimizer, schedule) = (Optimizer::AdamW, Schedule::Cosine);
    TrainConfig { optimizer, lr: 0.01, weight_decay: 0.01, schedule, warmup: 3, decay_every: 0, ..small() }
}

#[test]
fn null_controls_differ_in_zero_bits() {
    // Momentum, weight decay and augmentation are on; 50 steps, some of them on the smaller last batch.
    check_controls(small());
    check_controls(adamw());
}

fn check_controls(base: TrainConfig) {
    let config = TrainConfig { ks: vec![1, 1, 2, 4, 8, 3], steps: Some(50), ..base };
    assert_eq!(config.controls(), [1, 2, 3, 4]);
    let outcome = run(&config);
    for control in config.controls() {
        assert!(bits(&outcome.state, 0) == bits(&outcome.state, control), "control {control} differs from replica 0");
        assert!(step_events(&outcome).all(|e| e.differing_anywhere[control] == 0 && e.rel_l1[control] == 0.0));
    }
    let last = step_events(&outcome).last().unwrap();
    assert_eq!(last.step, 50);
    assert!(last.differing_anywhere[5] > 1000 && last.rel_l1[5] > 1e-6, "k = 3 did not diverge: {last:?}");
}

#[test]
fn the_authors_form_leaves_powers_of_two_alone() {
    let perturbation = Perturbation::Reciprocal;
    let outcome = run(&TrainConfig { ks: vec![1, 2, 4, 3], steps: Some(10), perturbation, ..small() });
    let last = step_events(&outcome).last().unwrap();
    assert_eq!(last.differing_anywhere[..3], [0, 0, 0]);
    assert!(last.differing_anywhere[3] > 0);
}

#[test]
fn a_learning_rate_set_during_a_run_equals_one_set_in_the_config() {
    let lr_changes = vec!["4:0.02".parse().unwrap()];
    let named = TrainConfig { ks: vec![1, 3], steps: Some(6), lr_changes, ..small() };
    let unnamed = TrainConfig { lr_changes: Vec::new(), ..named.clone() };
    let reference = run(&named);
    let rates: Vec<f64> = step_events(&reference).map(|e| e.lr).collect();
    assert_eq!(rates, [0.1, 0.1, 0.1, 0.02, 0.02, 0.02]);
    pollster::block_on(async {
        let mut trainer = trainer(&unnamed, Tuning::default(), Start::Fresh).await;
        while trainer.submitted() < 3 {
            trainer.advance().await.unwrap();
        }
        assert!(trainer.set_lr(f64::NAN).is_err());
        trainer.set_lr(7.0).unwrap();
        assert_eq!(trainer.set_lr(0.02).unwrap(), 4, "the last rate set before a step counts");
        runs::finish(&mut trainer).await;
        assert_eq!(trainer.config(), &named);
        let state = trainer.state().await.unwrap();
        assert!((0..2).all(|r| bits(&state, r) == bits(&reference.state, r)));
    });
}

#[test]
fn a_peek_sees_the_weights_after_its_step() {
    let config = TrainConfig { ks: vec![1, 3, 5], steps: Some(5), ..small() };
    for chunk_replicas in [None, Some(2)] {
        let tuning = || Tuning { chunk_replicas, ..Tuning::default() };
        pollster::block_on(async {
            let mut trainer = trainer(&config, tuning(), Start::Fresh).await;
            while trainer.submitted() < 2 {
                trainer.advance().await.unwrap();
            }
            let ranges = [(0, 0, 4), (3, 5, 2)].map(|(parameter, first, count)| PeekRange { parameter, first, count });
            let peek = trainer.peek(&ranges);
            assert_eq!(peek.step(), 2);
            // Later steps do not change the copy.
            trainer.advance().await.unwrap();
            let found = trainer.take_peek(peek).await.unwrap();
            let after_two = run_tuned(&TrainConfig { steps: Some(2), ..config.clone() }, tuning()).state;
            let expected = ranges.iter().flat_map(|range| {
                let tensors = after_two.replicas.iter().map(|replica| &replica.weights.parameters[range.parameter]);
                tensors.flat_map(|tensor| &tensor[range.first as usize..][..range.count as usize])
            });
            assert_eq!(found, expected.map(|value| value.to_bits()).collect::<Vec<_>>());
        });
    }
}

#[test]
fn nextafter_starts_one_ulp_away() {
    let perturbation = Perturbation::Nextafter;
    let config = TrainConfig { ks: vec![1, 3, 5, 1], steps: Some(5), perturbation, ..small() };
    let state = pollster::block_on(async { trainer(&config, Tuning::default(), Start::Fresh).await.state().await });
    let state = state.unwrap();
    let distance = |r: usize| -> u32 { bits(&state, 0).iter().zip(bits(&state, r)).map(|(a, b)| a.abs_diff(b)).sum() };
    assert_eq!([distance(1), distance(2), distance(3)], [1, 1, 0]);
    let last = run(&config).events.iter().rev().find_map(|e| match e {
        Event::Step(step) => Some(step.clone()),
        _ => None,
    });
    let differing = last.unwrap().differing_anywhere;
    assert!(differing[1] > 1 && differing[2] > 1 && differing[3] == 0, "{differing:?}");
}

#[test]
fn a_replica_does_not_depend_on_its_neighbours() {
    let together = TrainConfig { ks: vec![1, 3, 5], steps: Some(15), ..small() };
    let alone = TrainConfig { ks: vec![3], ..together.clone() };
    assert!(bits(&run(&together).state, 1) == bits(&run(&alone).state, 0));
}

#[test]
fn neither_chunks_nor_splits_nor_tiles_nor_junk_nor_logging_change_a_bit() {
    let config = TrainConfig { ks: vec![1, 3, 5], steps: Some(6), ..small() };
    let reference = run(&config);
    let lines = |outcome: &Outcome| -> Vec<String> {
        let kept = outcome.events.iter().filter(|e| !matches!(e, Event::Layers(_)));
        kept.map(Event::to_json).collect()
    };
    let tall = Tile { rows: 8, groups: 4, channels: [4, 16], lanes: 256, uniform: true, staging: None };
    let staged = Tile { lanes: 128, staging: Some(4), ..Tile::default() };
    let variants = [
        ("one replica at a time", Tuning { chunk_replicas: Some(1), ..Tuning::default() }),
        ("chunks of two", Tuning { chunk_replicas: Some(2), ..Tuning::default() }),
        ("split dispatches", Tuning { dispatch_flops: Some(50_000), ..Tuning::default() }),
        ("tiles of one row", Tuning { tiles: Some(Tiles::all(Tile::with_rows(1))), ..Tuning::default() }),
        ("tiles of two rows", Tuning { tiles: Some(Tiles::all(Tile::with_rows(2))), ..Tuning::default() }),
        (
            "the default tiles of NVIDIA's GPUs",
            Tuning { tiles: Some(Tiles::default_for(TileTarget::NvidiaGpu)), ..Tuning::default() },
        ),
        ("those of other GPUs", Tuning { tiles: Some(Tiles::default_for(TileTarget::OtherGpu)), ..Tuning::default() }),
        (
            "those of software GPUs",
            Tuning { tiles: Some(Tiles::default_for(TileTarget::Software)), ..Tuning::default() },
        ),
        ("tall tiles", Tuning { tiles: Some(Tiles::all(tall)), ..Tuning::default() }),
        ("staged tiles", Tuning { tiles: Some(Tiles::all(staged)), ..Tuning::default() }),
        ("junk in fresh buffers", Tuning { fill: Fill::Junk, ..Tuning::default() }),
        ("no steps in flight", Tuning { in_flight: Some(0), ..Tuning::default() }),
        ("two steps in flight", Tuning { in_flight: Some(2), ..Tuning::default() }),
    ];
    for (name, tuning) in variants {
        let outcome = run_tuned(&config, tuning);
        assert_eq!(lines(&outcome), lines(&reference), "{name}");
        assert!((0..3).all(|r| bits(&outcome.state, r) == bits(&reference.state, r)), "{name}");
    }
    let quiet = run(&TrainConfig { log_every: Some(4), ..config });
    assert_eq!(lines(&quiet), lines(&reference), "sparser logging");
}

#[test]
fn max_pools_keep_the_rules() {
    check_rules_of(NetKind::Vgg { depth: 11 });
}

#[test]
fn sums_keep_the_rules() {
    check_rules_of(NetKind::PreResNet { depth: 8 });
}

#[test]
fn adamw_keeps_the_rules() {
    check_rules(&adamw());
}

fn check_rules_of(net: NetKind) {
    check_rules(&TrainConfig { net, ..small() });
}

fn check_rules(base: &TrainConfig) {
    let config = TrainConfig { ks: vec![1, 3, 2], steps: Some(4), ..base.clone() };
    let reference = run(&config);
    assert!(bits(&reference.state, 0) == bits(&reference.state, 2), "k = 2 is a control, but differs");
    assert!(bits(&reference.state, 0) != bits(&reference.state, 1), "k = 3 is not a control, but does not differ");
    let alone = run(&TrainConfig { ks: vec![3], ..config.clone() });
    assert!(bits(&reference.state, 1) == bits(&alone.state, 0), "k = 3 differs when it runs alone");
    let tuning = Tuning {
        tiles: Some(Tiles::all(Tile::with_rows(1))),
        dispatch_flops: Some(1_000_000),
        chunk_replicas: Some(2),
        in_flight: Some(2),
        fill: Fill::Junk,
    };
    let other = run_tuned(&config, tuning);
    assert!((0..3).all(|r| bits(&reference.state, r) == bits(&other.state, r)), "chunks, splits, tiles and junk");
}

#[test]
fn a_lower_dispatch_limit_splits_dispatches() {
    if context().adapter().family == Family::Processor {
        // The processor does not split dispatches.
        return;
    }
    let config = TrainConfig { ks: vec![1], ..small() };
    let launches = |dispatch_flops| {
        let tuning = Tuning { dispatch_flops, ..Tuning::default() };
        let trainer = pollster::block_on(trainer(&config, tuning, Start::Fresh));
        trainer.launches_per_step()
    };
    assert!(launches(Some(50_000)) > 2 * launches(None));
}

#[test]
fn sources_and_dispatches_do_not_depend_on_the_number_of_replicas() {
    let network =
        NetKind::ResNet { depth: 20 }.build(dataset().shape(), 10, lastbit_core::ops::Activation::Relu, 1.0).unwrap();
    let sources = |replicas: usize| {
        let sizes = BatchSizes { train: vec![32], evaluate: vec![256] };
        let limits = MemoryLimits { binding: u64::MAX, total: None };
        let images = ([[0.5, 0.25]; 3], 0);
        let images = (images.0.as_slice(), images.1);
        let plan =
            Plan::new(&network, replicas, Perturbation::Divide, &sizes, images, &Tuning::default(), limits).unwrap();
        let kinds = [
            RecordingKind::Train(0, 32),
            RecordingKind::Evaluate(0, 256),
            RecordingKind::Measure(0),
            RecordingKind::Fingerprint(0),
        ];
        let commands = kinds.iter().flat_map(|kind| &plan.recording(*kind).commands);
        let (mut dispatches, mut weights) = (Vec::new(), 0);
        for command in commands {
            match command {
                Command::Dispatch(d) => dispatches.push((d.kernel.clone(), d.tiles)),
                // The traced weight of each replica, beside the fingerprints.
                Command::Copy { bytes: 4, .. } => weights += 1,
                other => panic!("a step contains only dispatches, not {other:?}"),
            }
        }
        assert_eq!(weights, replicas);
        dispatches
    };
    assert!(sources(1) == sources(6));
    assert!(sources(1).len() > 100);
}

#[test]
fn stop_and_resume_equals_the_undisturbed_run() {
    check_resuming(small());
    check_resuming(adamw());
}

fn check_resuming(base: TrainConfig) {
    let config = TrainConfig { ks: vec![1, 3], steps: Some(11), ..base };
    let whole = run(&config);
    // An epoch has five steps. Stop inside an epoch, at its end before its evaluation, and before the last step.
    for stop in [1, 3, 5, 10] {
        let (events, state) = pollster::block_on(async {
            let mut trainer = trainer(&config, Tuning::default(), Start::Fresh).await;
            let mut events = Vec::new();
            while trainer.step() < stop {
                let more = trainer.advance().await.unwrap().events;
                events.extend(more);
                if trainer.submitted() == stop {
                    events.extend(trainer.flush().await.unwrap());
                }
            }
            (events, trainer.state().await.unwrap())
        });
        assert_eq!(state.step, stop);
        let files = checkpoint::encode_state(&whole.network, &config, &state);
        let read = |name: &str| -> Result<Vec<u8>, checkpoint::CheckpointError> {
            Ok(files.iter().find(|(n, _)| n == name).unwrap().1.clone())
        };
        let state = checkpoint::decode_state(&whole.network, &config, read).unwrap();
        let rest = runs::run_from(&config, Tuning::default(), Start::State(state));
        let all: Vec<_> = events.iter().chain(&rest.events).map(Event::to_json).collect();
        let expected: Vec<_> = whole.events.iter().map(Event::to_json).collect();
        assert_eq!(all, expected, "stopped after step {stop}");
        assert!(rest.state == whole.state, "stopped after step {stop}");
    }
}

#[test]
fn a_flipped_bit_makes_a_control_differ() {
    let config = TrainConfig { ks: vec![1, 2], steps: Some(6), ..small() };
    let flip = FlipBit { tensor: "layer2.0.downsample.0.weight".to_owned(), index: 5, step: 3, replica: 1 };
    let events = pollster::block_on(async {
        let mut trainer = trainer(&config, Tuning::default(), Start::Fresh).await;
        trainer.flip_bit(flip.clone()).await.unwrap();
        runs::finish(&mut trainer).await
    });
    let differing: Vec<u64> = events
        .iter()
        .filter_map(|e| match e {
            Event::Step(step) => Some(step.differing_anywhere[1]),
            _ => None,
        })
        .collect();
    assert_eq!(differing[..3], [0, 0, 1], "one element must differ after step 3, none before");
    assert!(differing[5] > 1, "the difference does not grow: {differing:?}");

    let refused = |flip: FlipBit| {
        pollster::block_on(async {
            let mut trainer = trainer(&config, Tuning::default(), Start::Fresh).await;
            trainer.flip_bit(flip).await.unwrap_err().to_string()
        })
    };
    assert!(refused(FlipBit { tensor: "conv9.weight".to_owned(), ..flip.clone() }).contains("conv9"));
    assert!(refused(FlipBit { index: 1 << 20, ..flip.clone() }).contains("elements"));
    assert!(refused(FlipBit { replica: 2, ..flip }).contains("2 replicas"));
}

#[test]
fn a_lost_device_is_an_error_and_not_a_panic() {
    let config = TrainConfig { ks: vec![1], steps: Some(20), ..small() };
    let error = pollster::block_on(async {
        let new = Trainer::new(context(), config, dataset(), Tuning::default(), Start::Fresh);
        let mut trainer = new.await.unwrap();
        trainer.advance().await.unwrap();
        trainer.context().destroy();
        loop {
            match trainer.advance().await {
                Ok(progress) => assert!(!progress.finished, "the run finished without a device"),
                Err(error) => return error.to_string(),
            }
        }
    });
    assert!(error.contains("device"), "{error}");
    assert!(context().check().is_ok(), "another context is affected");
}

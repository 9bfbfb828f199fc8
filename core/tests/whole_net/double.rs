//! The float64 trainer is compared with the trainer on an adapter: loss, gradients and update of the first steps, on every kind
//! of network.

use std::sync::Arc;

use lastbit_core::data::{Dataset, checkerboard, synthetic};
use lastbit_core::double::DoubleTrainer;
use lastbit_core::nets::{NetKind, Norm};
use lastbit_core::ops::Activation;
use lastbit_core::ops::sgd::Perturbation;
use lastbit_core::train::{Event, LossKind, LrChange, Optimizer, Schedule, StepEvent, TrainConfig};

use crate::runs;

/// Norm of the difference of two tensors, relative to the norm of `double`.
fn distance(single: &[f32], double: &[f64]) -> f64 {
    let error: f64 = single.iter().zip(double).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
    let norm: f64 = double.iter().map(|b| b * b).sum();
    (error / norm.max(1e-60)).sqrt()
}

/// Compares the first step: the loss to 1e-6, the gradients to `tolerance`.
fn check(config: TrainConfig, dataset: Dataset, tolerance: f64) {
    let dataset = Arc::new(dataset);
    let first = TrainConfig { weight_decay: 0.0, ks: vec![1], steps: Some(1), ..config.clone() };
    let mut double = DoubleTrainer::new(first.clone(), Arc::clone(&dataset)).unwrap();
    let step = double.step();
    let mut problems = Vec::new();
    pollster::block_on(async {
        let mut trainer = runs::trainer_on(&first, &dataset).await;
        let events = runs::finish(&mut trainer).await;
        let loss = steps(&events)[0].loss[0];
        if (f64::from(loss) - step.loss[0]).abs() > 1e-6 * step.loss[0] {
            problems.push(format!("loss {loss} instead of {}", step.loss[0]));
        }
        let state = trainer.state().await.unwrap();
        let tensors =
            double.network().parameters.iter().zip(&state.replicas[0].optimizer[0].values).zip(&double.optimizer(0)[0]);
        for ((parameter, single), double) in tensors {
            let error = distance(single, double);
            if error.is_nan() || error > tolerance {
                problems.push(format!("gradient of {}: {error:.2e} off", parameter.name));
            }
        }
    });
    assert!(problems.is_empty(), "{} {}:\n{}", config.net, config.activation(), problems.join("\n"));
}

fn steps(events: &[Event]) -> Vec<StepEvent> {
    events.iter().filter_map(|e| if let Event::Step(s) = e { Some(s.clone()) } else { None }).collect()
}

fn small(activation: Activation) -> TrainConfig {
    TrainConfig { activation: Some(activation), ..runs::small() }
}

// ReLU's tolerance is wider: a pre-activation within rounding of 0 may change its sign, and with it the whole gradient.
#[test]
fn gradients_of_resnet8_match_the_adapter() {
    check(small(Activation::Swish { beta: 5.0 }), synthetic::dataset(3, 16, 4), 1e-4);
    check(small(Activation::Tanh), synthetic::dataset(3, 16, 4), 1e-4);
    check(small(Activation::Relu), synthetic::dataset(3, 16, 4), 1e-2);
}

#[test]
fn gradients_of_preresnet8_are_the_gpus() {
    let net = NetKind::PreResNet { depth: 8 };
    check(TrainConfig { net, ..small(Activation::Swish { beta: 5.0 }) }, synthetic::dataset(3, 16, 4), 1e-4);
}

/// Networks with others in place of batch norm.
fn check_norm(norm: Norm) {
    for net in [NetKind::ResNet { depth: 8 }, NetKind::WideResNet { depth: 10, factor: 2 }] {
        check(TrainConfig { net, norm, ..small(Activation::Tanh) }, synthetic::dataset(3, 8, 4), 1e-4);
    }
}

#[test]
fn gradients_without_norms_are_the_adapters() {
    check_norm(Norm::None);
}

#[test]
fn gradients_with_group_norm_are_the_adapters() {
    check_norm(Norm::Group);
}

#[test]
fn gradients_of_wrn10_2_are_the_adapters() {
    let net = NetKind::WideResNet { depth: 10, factor: 2 };
    check(TrainConfig { net, ..small(Activation::Swish { beta: 1.0 }) }, synthetic::dataset(3, 8, 4), 1e-4);
}

#[test]
fn gradients_of_an_mlp_are_the_adapters() {
    let mlp = TrainConfig { net: NetKind::Mlp { layers: 2 }, ..small(Activation::Tanh) };
    check(TrainConfig { loss: LossKind::Mse, ..mlp.clone() }, synthetic::dataset(3, 16, 4), 1e-5);
    check(mlp, synthetic::dataset(3, 16, 4), 1e-5);
}

#[test]
fn gradients_of_vgg11_and_of_the_one_layer_net_are_the_gpus() {
    let vgg = TrainConfig { net: NetKind::Vgg { depth: 11 }, ..small(Activation::Swish { beta: 1.0 }) };
    check(vgg, synthetic::dataset(3, 8, 4), 1e-4);
    let one = TrainConfig { net: NetKind::OneLayer, batch_size: 1, ..small(Activation::Swish { beta: 1.0 }) };
    check(one, checkerboard::dataset(40), 1e-4);
}

/// Steps with crops, flips, momentum or AdamW, weight decay, an epoch's smaller last batch, a decay or a schedule of the learning rate
/// and a warm-up. The losses agree as long as float32's rounding errors are small.
#[test]
fn the_first_steps_match_the_adapter() {
    let base = TrainConfig {
        lr: 1e-3,
        lr_changes: vec![LrChange { step: 3, lr: 3e-3 }],
        epochs: 2,
        steps: Some(7),
        decay_every: 1,
        ks: vec![1, 3],
        ..small(Activation::Swish { beta: 1.0 })
    };
    let smooth = TrainConfig { schedule: Schedule::Cosine, warmup: 2, decay_every: 0, nesterov: false, ..base.clone() };
    let adamw = TrainConfig { optimizer: Optimizer::AdamW, weight_decay: 0.1, ..smooth.clone() };
    for config in [base, smooth, adamw] {
        let dataset = Arc::new(synthetic::dataset(1, 36, 4));
        let mut double = DoubleTrainer::new(config.clone(), Arc::clone(&dataset)).unwrap();
        let events = pollster::block_on(async {
            let mut trainer = runs::trainer_on(&config, &dataset).await;
            runs::finish(&mut trainer).await
        });
        for single in steps(&events) {
            let found = double.step();
            for (a, b) in single.loss.iter().zip(&found.loss) {
                assert!((f64::from(*a) - b).abs() < 1e-4 * b, "step {}: {a} {b}", single.step);
            }
        }
    }
}

/// In float64, k = 3 starts at 2^-29 of its distance in float32. The controls differ in zero bits.
#[test]
fn the_last_bit_of_float64_is_smaller() {
    let config = TrainConfig { ks: vec![1, 3, 2, 1], steps: Some(3), ..small(Activation::Relu) };
    let dataset = runs::dataset();
    let mut double = DoubleTrainer::new(config.clone(), Arc::clone(&dataset)).unwrap();
    let first = double.step();
    assert!((1e-20..1e-15).contains(&first.rel_l1[1]), "{:?}", first.rel_l1);
    for _ in 0..2 {
        let step = double.step();
        assert_eq!([step.rel_l1[0], step.rel_l1[2], step.rel_l1[3]], [0.0; 3]);
        assert!(step.rel_l1[1] > 0.0);
    }
    let nextafter = TrainConfig { perturbation: Perturbation::Nextafter, ..config };
    let mut double = DoubleTrainer::new(nextafter, dataset).unwrap();
    // The distance is one ulp of float32 in one weight.
    assert!((1e-13..1e-5).contains(&double.step().rel_l1[1]));
}

#[test]
fn bad_configs_are_refused() {
    let wrong = TrainConfig { lr: -1.0, ..runs::small() };
    let refused = DoubleTrainer::new(wrong, runs::dataset()).err().unwrap().to_string();
    assert!(refused.starts_with("lr: "), "{refused}");
    let large = TrainConfig { batch_size: 1000, ..runs::small() };
    assert!(DoubleTrainer::new(large, runs::dataset()).is_err());
}

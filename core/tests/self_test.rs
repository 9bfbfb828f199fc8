//! The start-up self-test passes on a sound adapter, and each of its checks fails when its fault is injected. A run names the
//! layer at which a replica's numbers stop being finite, and the other replicas continue.

mod runs;

use lastbit_core::train::self_test::{self, Check};
use lastbit_core::train::{Event, Optimizer, Start, State, StepEvent, TrainConfig, Tuning, Weights};
use runs::{context, small, trainer};

#[test]
fn a_sound_adapter_passes_and_every_check_can_fail() {
    let context = context();
    let started = std::time::Instant::now();
    let broken = pollster::block_on(self_test::run(&context, None)).unwrap();
    println!("self-test: {:?}", started.elapsed());
    assert!(broken.is_empty(), "{broken:?}");
    for check in Check::ALL {
        let broken = pollster::block_on(self_test::run(&context, Some(check))).unwrap();
        assert!(!broken.is_empty() && broken.iter().all(|broken| broken.check == check), "{check:?}: {broken:?}");
        println!("{}: {}", check.name(), broken[0].seen);
    }
}

#[test]
fn a_loss_that_is_not_finite_is_located_and_other_replicas_continue() {
    let config = TrainConfig { ks: vec![1, 3], steps: Some(3), ..small() };
    let steps = |spoil: Option<(&str, f32)>| -> Vec<StepEvent> {
        let events = pollster::block_on(async {
            let network = trainer(&config, Tuning::default(), Start::Fresh).await.network().clone();
            let mut state = State::initial(&Weights::initial(&network, 1), 2, Optimizer::Sgd);
            if let Some((name, value)) = spoil {
                let tensor = network.parameters.iter().position(|p| p.name == name).unwrap();
                state.replicas[1].weights.parameters[tensor][0] = value;
            }
            runs::finish(&mut trainer(&config, Tuning::default(), Start::State(state)).await).await
        });
        let steps = events.into_iter().filter_map(|event| match event {
            Event::Step(step) => Some(step),
            _ => None,
        });
        steps.collect()
    };
    let sound = steps(None);
    assert!(sound.iter().all(|step| step.first_not_finite == [None, None]));
    for (name, value, layer) in [
        ("conv1.weight", f32::NAN, "bn1"),
        ("layer2.0.conv1.weight", f32::INFINITY, "layer2.0.bn1"),
        ("layer3.0.downsample.0.weight", f32::MAX, "layer3.0.downsample.1"),
        ("fc.bias", f32::NAN, "fc"),
    ] {
        let steps = steps(Some((name, value)));
        assert_eq!(steps[0].first_not_finite, [None, Some(layer.to_owned())], "{name}");
        assert!(steps.iter().zip(&sound).all(|(a, b)| a.loss[0] == b.loss[0]), "{name}: the other replica changed");
        assert!(!steps[2].loss[1].is_finite() && steps[2].first_not_finite[1].is_some(), "{name}");
    }
}

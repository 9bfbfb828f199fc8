//! VGG16, the paper's second network, takes a step at the paper's batch size.

use std::sync::Arc;

use lastbit_core::data::synthetic;
use lastbit_core::nets::NetKind;
use lastbit_core::train::{Event, Start, TrainConfig, Trainer, Tuning, Weights};

use crate::runs;

#[test]
fn vgg16_takes_a_step_at_batch_128() {
    let config = TrainConfig {
        net: NetKind::Vgg { depth: 16 },
        ks: vec![3],
        steps: Some(1),
        test_limit: Some(1),
        ..TrainConfig::default()
    };
    assert_eq!(config.batch_size, 128);
    let dataset = Arc::new(synthetic::dataset(1, 128, 1));
    pollster::block_on(async {
        let new = Trainer::new(runs::context(), config, dataset, Tuning::default(), Start::Fresh);
        let mut trainer = new.await.unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(trainer.network().parameter_count(), 14_724_042);
        let events = runs::finish(&mut trainer).await;
        let step = events.iter().find_map(|e| if let Event::Step(step) = e { Some(step) } else { None }).unwrap();
        assert!((1.0..5.0).contains(&step.loss[0]), "{step:?}");
        let state = trainer.state().await.unwrap_or_else(|e| panic!("{e}"));
        let initial = Weights::initial(trainer.network(), 1);
        let after = &state.replicas[0].weights.parameters;
        for ((before, after), parameter) in initial.parameters.iter().zip(after).zip(&trainer.network().parameters) {
            assert!(after.iter().all(|value| value.is_finite()), "{} is not finite", parameter.name);
            let moved = before.iter().zip(after).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
            assert!(moved * 2 > before.len(), "only {moved} elements of {} changed", parameter.name);
        }
    });
}

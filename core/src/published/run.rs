//! Makes a published run on a device.

use std::rc::Rc;
use std::sync::Arc;

use super::{Fingerprints, Published};
use crate::data::{Dataset, checkerboard, synthetic};
use crate::device::Context;
use crate::nets::NetKind;
use crate::train::{Event, Start, TrainConfig, TrainError, Trainer, Tuning};

/// The images of a config with the synthetic data set: those that `lastbit train` uses, without the ones beyond the config's limits.
#[must_use]
pub fn dataset(config: &TrainConfig) -> Dataset {
    if config.net == NetKind::OneLayer {
        return checkerboard::dataset(checkerboard::SIDE);
    }
    let (seed, train, test) = synthetic::SET;
    let limited = |limit: Option<usize>, all: usize| limit.map_or(all, |limit| limit.min(all));
    synthetic::dataset(seed, limited(config.train_limit, train), limited(config.test_limit, test))
}

/// Makes the run on `context` and returns what it found after each published step. The run ends there, without an evaluation.
///
/// # Errors
/// Those of [`Trainer::new`] and [`Trainer::advance`].
pub async fn run(context: Rc<Context>, published: &Published) -> Result<Vec<Fingerprints>, TrainError> {
    let (config, images) = (published.config.clone(), Arc::new(dataset(&published.config)));
    let mut trainer = Trainer::new(context, config, images, Tuning::default(), Start::Fresh).await?;
    let (mut events, last) = (Vec::new(), trainer.total_steps());
    while trainer.submitted() < last {
        events.extend(trainer.advance().await?.events);
    }
    events.extend(trainer.flush().await?);
    Ok(fingerprints(&events, &published.steps))
}

/// What the events say about those of `steps` that they belong to.
#[must_use]
pub fn fingerprints(events: &[Event], steps: &[u64]) -> Vec<Fingerprints> {
    let of_step = |&step: &u64| {
        let loss = events.iter().find_map(|event| match event {
            Event::Step(event) if event.step == step => Some(&event.loss),
            _ => None,
        })?;
        let fingerprints = events.iter().filter_map(|event| match event {
            Event::Layers(event) if event.step == step => Some(event.fingerprint.clone()),
            _ => None,
        });
        let loss = loss.iter().map(|loss| format!("{:08x}", loss.to_bits())).collect();
        Some(Fingerprints { step, loss, fingerprints: fingerprints.collect() })
    };
    steps.iter().filter_map(of_step).collect()
}

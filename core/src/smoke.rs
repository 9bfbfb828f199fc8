//! A smoke test: one step of ResNet-8, small enough for any adapter. A browser and a native program must agree on its bits.

use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;

use crate::data::synthetic;
use crate::device::{Context, Options};
use crate::nets::NetKind;
use crate::train::{DatasetKind, Event, Start, TrainConfig, TrainError, Trainer, Tuning, checkpoint};

/// The results of the step.
#[derive(Clone, Debug, Serialize)]
pub struct SmokeReport {
    /// Name of the adapter.
    pub adapter: String,
    /// Driver and version, if known.
    pub driver: String,
    /// Mean loss of the batch, before the update.
    pub loss: f32,
    /// Bits of the loss, 8 hex digits.
    pub loss_bits: String,
    /// Fingerprint of parameters and momentum after the update, 16 hex digits.
    pub fingerprint: String,
}

/// Runs one step of ResNet-8 (k = 3, batch 4, synthetic images) on an adapter.
///
/// # Errors
/// [`TrainError::Gpu`] if the adapter cannot be opened or its device fails, and [`TrainError::Start`] if the adapter's
/// fingerprint is not that of its weights.
pub async fn run(options: Options) -> Result<SmokeReport, TrainError> {
    let context = Rc::new(Context::open(options).await?);
    let config = TrainConfig {
        net: NetKind::ResNet { depth: 8 },
        dataset: DatasetKind::Synthetic,
        ks: vec![3],
        batch_size: 4,
        steps: Some(1),
        log_every: Some(1),
        ..TrainConfig::default()
    };
    let dataset = Arc::new(synthetic::dataset(1, 4, 4));
    let mut trainer = Trainer::new(Rc::clone(&context), config, dataset, Tuning::default(), Start::Fresh).await?;
    let mut events = trainer.advance().await?.events;
    events.extend(trainer.flush().await?);
    let (mut loss, mut fingerprint) = (f32::NAN, String::new());
    for event in events {
        match event {
            Event::Step(step) => loss = step.loss[0],
            Event::Layers(layers) => fingerprint = layers.fingerprint,
            _ => {}
        }
    }
    let on_host = checkpoint::fingerprint_of(&trainer.state().await?.replicas[0]);
    if fingerprint != on_host {
        let message = format!("the adapter reports fingerprint {fingerprint}, but its weights have {on_host}");
        return Err(TrainError::Start(message));
    }
    let adapter = context.adapter();
    Ok(SmokeReport {
        adapter: adapter.name.clone(),
        driver: adapter.driver.clone(),
        loss,
        loss_bits: format!("{:08x}", loss.to_bits()),
        fingerprint,
    })
}

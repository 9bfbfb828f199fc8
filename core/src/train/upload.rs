//! What the host uploads for a step: the step's values, those of each replica, and the batch.

use super::batch::Batches;
use super::config::TrainConfig;
use super::optimizer::Optimizer;
use super::plan::Plan;
use crate::ops::adamw;
use crate::ops::sgd::{ReplicaValues, StepValues};

/// The upload of `step` at learning rate `lr`, and the number of samples in its batch.
pub fn of_step(config: &TrainConfig, plan: &Plan, batches: &mut Batches, step: u64, lr: f64) -> (Vec<u8>, u32) {
    let layout = &plan.upload_layout;
    let mut upload = vec![0; layout.bytes as usize];
    let mut put = |at: u64, bytes: &[u8]| upload[at as usize..][..bytes.len()].copy_from_slice(bytes);
    match config.optimizer {
        Optimizer::Sgd => put(layout.step, bytemuck::bytes_of(&sgd_values(config, step))),
        Optimizer::AdamW => {
            let values = adamw::StepValues::new(config.adamw_coefficients(), step, lr);
            put(layout.step, bytemuck::bytes_of(&values));
        }
    }
    let values: Vec<_> = config.ks.iter().map(|&k| ReplicaValues::new(k, lr, config.perturbation)).collect();
    for (chunk, at) in plan.chunks.iter().zip(&layout.replicas) {
        put(*at, bytemuck::cast_slice(&values[chunk.replicas.clone()]));
    }
    let samples = batches.train(step, layout, &mut upload);
    (upload, samples)
}

/// The values of `step` that all replicas share, for SGD.
fn sgd_values(config: &TrainConfig, step: u64) -> StepValues {
    let momentum = config.momentum as f32;
    StepValues {
        weight_decay: config.weight_decay as f32,
        momentum,
        keep: if step == 1 { 0.0 } else { momentum },
        nesterov: f32::from(config.nesterov && momentum != 0.0),
    }
}

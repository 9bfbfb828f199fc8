//! What the host uploads for a step: the step's values, those of each replica, and the batch.

use super::batch::Batches;
use super::config::TrainConfig;
use super::plan::Plan;
use crate::ops::sgd::{ReplicaValues, StepValues};

/// The upload of `step` at learning rate `lr`, and the number of samples in its batch.
pub fn of_step(config: &TrainConfig, plan: &Plan, batches: &mut Batches, step: u64, lr: f64) -> (Vec<u8>, u32) {
    let layout = &plan.upload_layout;
    let mut upload = vec![0; layout.bytes as usize];
    let mut put = |at: u64, bytes: &[u8]| upload[at as usize..][..bytes.len()].copy_from_slice(bytes);
    let momentum = config.momentum as f32;
    let shared = StepValues {
        weight_decay: config.weight_decay as f32,
        momentum,
        keep: if step == 1 { 0.0 } else { momentum },
        nesterov: f32::from(config.nesterov && momentum != 0.0),
    };
    put(layout.step, bytemuck::bytes_of(&shared));
    let values: Vec<_> = config.ks.iter().map(|&k| ReplicaValues::new(k, lr, config.perturbation)).collect();
    for (chunk, at) in plan.chunks.iter().zip(&layout.replicas) {
        put(*at, bytemuck::cast_slice(&values[chunk.replicas.clone()]));
    }
    let samples = batches.train(step, layout, &mut upload);
    (upload, samples)
}

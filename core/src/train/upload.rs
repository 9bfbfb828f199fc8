//! What the host writes before a step: the batch, and the numbers of the step and of each replica.

use super::batch::Batches;
use super::config::TrainConfig;
use super::plan::Plan;
use crate::ops::sgd::{ReplicaValues, StepValues};

/// The learning rate of `step`, from 1; `per_epoch` steps make an epoch.
pub fn lr_at(config: &TrainConfig, step: u64, per_epoch: u64) -> f64 {
    config.lr_at(step, (step.max(1) - 1) / per_epoch)
}

/// The upload of `step` at learning rate `lr`, and the number of samples in its batch.
pub fn of_step(config: &TrainConfig, plan: &Plan, batches: &mut Batches, step: u64, lr: f64) -> (Vec<u8>, u32) {
    let (shared, values) = step_values(config, step, lr);
    let layout = &plan.upload_layout;
    let mut upload = vec![0; layout.bytes as usize];
    let mut put = |at: u64, bytes: &[u8]| upload[at as usize..][..bytes.len()].copy_from_slice(bytes);
    put(layout.step, bytemuck::bytes_of(&shared));
    for (chunk, at) in plan.chunks.iter().zip(&layout.replicas) {
        put(*at, bytemuck::cast_slice(&values[chunk.replicas.clone()]));
    }
    let samples = batches.train(step, layout, &mut upload);
    (upload, samples)
}

fn step_values(config: &TrainConfig, step: u64, lr: f64) -> (StepValues, Vec<ReplicaValues>) {
    let momentum = config.momentum as f32;
    let shared = StepValues {
        weight_decay: config.weight_decay as f32,
        momentum,
        keep: if step == 1 { 0.0 } else { momentum },
        nesterov: f32::from(config.nesterov && momentum != 0.0),
    };
    let replicas = config.ks.iter().map(|&k| ReplicaValues::new(k, lr, config.perturbation));
    (shared, replicas.collect())
}

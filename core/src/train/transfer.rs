//! Copies the state between tensors on the host and the arenas of chunks on the device.

use super::plan::Plan;
use super::state::{Arena, ReplicaState, State, Weights};
use crate::device::{Buffers, Context, DeviceError, Readback};
use crate::nets::Network;
use crate::record::BufferId;

/// Writes parameters, optimiser state and running statistics of every replica to the device.
pub fn write_state(context: &Context, buffers: &Buffers, plan: &Plan, state: &State) {
    for (buffer, arenas) in state_contents(plan, state) {
        buffers.write(context, buffer, 0, bytemuck::cast_slice(&arenas));
    }
}

/// The arenas of parameters, optimiser state and running statistics of every chunk, each with its buffer.
pub fn state_contents(plan: &Plan, state: &State) -> Vec<(BufferId, Vec<f32>)> {
    let network = &plan.network;
    let mut all = Vec::new();
    for chunk in &plan.chunks {
        let replicas = &state.replicas[chunk.replicas.clone()];
        let mut fill = |buffer: BufferId, stride: u32, put: &dyn Fn(&ReplicaState, &mut [f32])| {
            let mut arenas = vec![0.0; replicas.len() * stride as usize];
            for (replica, arena) in replicas.iter().zip(arenas.chunks_mut(stride.max(1) as usize)) {
                put(replica, arena);
            }
            all.push((buffer, arenas));
        };
        let put_parameters = |values: &[Vec<f32>], arena: &mut [f32]| {
            for (parameter, values) in network.parameters.iter().zip(values) {
                arena[parameter.offset as usize..][..values.len()].copy_from_slice(values);
            }
        };
        fill(chunk.parameters, network.parameter_stride, &|r, arena| put_parameters(&r.weights.parameters, arena));
        for (i, buffer) in chunk.optimizer.iter().enumerate() {
            fill(*buffer, network.parameter_stride, &|r, arena| put_parameters(&r.optimizer[i].values, arena));
        }
        fill(chunk.running, network.running_stride, &|r, arena| {
            arena.copy_from_slice(&running_arena(network, &r.weights.running));
        });
    }
    all
}

/// Reads the state of every replica from the device.
///
/// # Errors
/// [`DeviceError::DeviceLost`], [`DeviceError::OutOfMemory`], or [`DeviceError::Refused`] if the driver refused a call.
pub async fn read_replicas(
    context: &Context,
    buffers: &Buffers,
    plan: &Plan,
    readback: &Readback,
) -> Result<Vec<ReplicaState>, DeviceError> {
    let network = &plan.network;
    let mut replicas = Vec::new();
    for chunk in &plan.chunks {
        let n = chunk.replicas.len();
        let read = async |buffer: BufferId, stride: u32| -> Result<Vec<f32>, DeviceError> {
            let bytes = n as u64 * u64::from(stride) * 4;
            if bytes == 0 {
                return Ok(Vec::new());
            }
            let bytes = readback.read(context, buffers, (buffer, 0, bytes)).await?;
            Ok(bytemuck::pod_collect_to_vec(&bytes))
        };
        let parameters = read(chunk.parameters, network.parameter_stride).await?;
        let mut optimizer = Vec::with_capacity(chunk.optimizer.len());
        for buffer in &chunk.optimizer {
            optimizer.push(read(*buffer, network.parameter_stride).await?);
        }
        let running = read(chunk.running, network.running_stride).await?;
        for r in 0..n {
            let arena = |all: &[f32], stride: u32| all[r * stride as usize..(r + 1) * stride as usize].to_vec();
            let running = arena(&running, network.running_stride);
            replicas.push(ReplicaState {
                weights: Weights {
                    parameters: tensors(network, &arena(&parameters, network.parameter_stride)),
                    running: network
                        .running
                        .iter()
                        .map(|norm| {
                            [norm.mean, norm.variance]
                                .map(|at| running[at as usize..][..norm.channels as usize].to_vec())
                        })
                        .collect(),
                },
                optimizer: (plan.optimizer.arenas().iter().zip(&optimizer))
                    .map(|(&name, all)| Arena { name, values: tensors(network, &arena(all, network.parameter_stride)) })
                    .collect(),
            });
        }
    }
    Ok(replicas)
}

/// The parameter arena with `values` in its tensors, and 0 between them.
pub fn parameter_arena(network: &Network, values: &[Vec<f32>]) -> Vec<f32> {
    let mut arena = vec![0.0; network.parameter_stride as usize];
    for (parameter, values) in network.parameters.iter().zip(values) {
        arena[parameter.offset as usize..][..values.len()].copy_from_slice(values);
    }
    arena
}

/// The arena of running statistics with `values` in it, and 0 between them.
pub fn running_arena(network: &Network, values: &[[Vec<f32>; 2]]) -> Vec<f32> {
    let mut arena = vec![0.0; network.running_stride as usize];
    for (norm, [mean, variance]) in network.running.iter().zip(values) {
        arena[norm.mean as usize..][..mean.len()].copy_from_slice(mean);
        arena[norm.variance as usize..][..variance.len()].copy_from_slice(variance);
    }
    arena
}

/// The tensors in a parameter arena.
pub fn tensors(network: &Network, arena: &[f32]) -> Vec<Vec<f32>> {
    let of = |p: &crate::nets::Parameter| arena[p.offset as usize..][..p.elements() as usize].to_vec();
    network.parameters.iter().map(of).collect()
}

//! Turns the bytes that are read back after a step into events.

use super::events::{LayersEvent, StepEvent};
use super::plan::Plan;
use crate::nets::Network;
use crate::ops::{divergence::Distance, fingerprint};

/// Results of a step. Vectors have one entry for each replica, in the order of the divisors.
pub struct Results {
    /// Sum of losses and number of correct answers.
    pub totals: Vec<[f32; 2]>,
    /// Distances from the first replica, `[R][tensor]`.
    pub divergence: Vec<Vec<Distance>>,
    /// Fingerprints from the last time that they were computed.
    pub fingerprints: Vec<[u32; 2]>,
    /// Bits of the traced weight, from the same time.
    pub weights: Vec<u32>,
    /// Index of the first running statistic that is not finite, or the arena's length.
    pub not_finite: Vec<u32>,
}

/// Parses the metrics buffer.
pub fn parse(plan: &Plan, bytes: &[u8]) -> Results {
    let n_tensors = plan.network.parameters.len();
    let mut results =
        Results { totals: vec![], divergence: vec![], fingerprints: vec![], weights: vec![], not_finite: vec![] };
    for chunk in &plan.chunks {
        let n = chunk.replicas.len();
        let part = |offset: u64, length: usize| &bytes[offset as usize..][..length];
        results.totals.extend_from_slice(bytemuck::cast_slice(part(chunk.metrics.totals, n * 8)));
        results.fingerprints.extend_from_slice(bytemuck::cast_slice(part(chunk.metrics.fingerprints, n * 8)));
        results.weights.extend_from_slice(bytemuck::cast_slice(part(chunk.metrics.weights, n * 4)));
        results.not_finite.extend_from_slice(bytemuck::cast_slice(part(chunk.metrics.not_finite, n * 4)));
        let bytes = part(chunk.metrics.divergence, n * n_tensors * size_of::<Distance>());
        let tensors: &[Distance] = bytemuck::cast_slice(bytes);
        results.divergence.extend(tensors.chunks(n_tensors).map(<[Distance]>::to_vec));
    }
    results
}

impl Results {
    /// The step's event. Divergence is measured over the network's measured weights; `rel_l1` is the unweighted mean over them.
    pub fn step_event(&self, network: &Network, step: u64, epoch: u64, lr: f64, samples: u32) -> StepEvent {
        let measured = |replica: &[Distance]| -> Vec<Distance> {
            let all = network.parameters.iter().zip(replica);
            all.filter(|(p, _)| p.measured).map(|(_, d)| *d).collect()
        };
        let per_replica: Vec<_> = self.divergence.iter().map(|replica| measured(replica)).collect();
        let mean = |tensors: &Vec<Distance>| {
            tensors.iter().map(|d| f64::from(d.rel_l1)).sum::<f64>() / tensors.len().max(1) as f64
        };
        let differing = |tensors: &[Distance]| tensors.iter().map(|d| u64::from(d.differing)).sum();
        StepEvent {
            step,
            epoch,
            lr,
            loss: self.totals.iter().map(|[loss, _]| loss / samples as f32).collect(),
            rel_l1: per_replica.iter().map(mean).collect(),
            max_ulp: per_replica.iter().map(|t| t.iter().map(|d| d.max_ulp).max().unwrap_or(0)).collect(),
            differing: per_replica.iter().map(|t| differing(t)).collect(),
            differing_anywhere: self.divergence.iter().map(|t| differing(t)).collect(),
            correct: self.totals.iter().map(|[_, correct]| *correct as u32).collect(),
            samples,
            first_not_finite: (0..self.totals.len()).map(|r| self.first_not_finite(network, r)).collect(),
        }
    }

    /// Name of the first layer of the forward pass whose values are not finite; the last layer if only the loss is not finite.
    fn first_not_finite(&self, network: &Network, replica: usize) -> Option<String> {
        let element = self.not_finite[replica];
        let norm = network.running.iter().find(|norm| element < norm.variance + norm.channels);
        match norm.filter(|_| element < network.running_stride) {
            Some(norm) => Some(norm.name.clone()),
            None if self.totals[replica][0].is_finite() => None,
            None => network.nodes.last().map(|node| node.name.clone()),
        }
    }

    /// The `layers` events of a step, one for each replica.
    pub fn layer_events(&self, network: &Network, step: u64, ks: &[u32]) -> impl Iterator<Item = LayersEvent> {
        ks.iter().enumerate().map(move |(replica, &k)| {
            let tensors = network.parameters.iter().zip(&self.divergence[replica]);
            let rel_l1 = tensors.filter(|(p, _)| p.measured).map(|(p, d)| (p.name.clone(), d.rel_l1)).collect();
            let fingerprint = fingerprint::text(self.fingerprints[replica]);
            LayersEvent { step, replica, k, fingerprint, weight: self.weights[replica], rel_l1 }
        })
    }
}

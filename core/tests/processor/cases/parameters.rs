//! Cases of the kernels on parameters: update, divergence, fingerprint.

use lastbit_core::ops::sgd::{self, Perturbation, ReplicaValues, StepValues};
use lastbit_core::ops::{adamw, divergence, fingerprint, flip_bit, not_finite};

use super::Case;
use super::random::Random;
use super::sketch::Sketch;

pub(super) fn updates(random: &mut Random, all: &mut Vec<Case>) {
    let steps = [
        // [weight decay, momentum, keep, nesterov]
        [5e-4, 0.9, 0.9, 1.0],
        [5e-4, 0.9, 0.0, 1.0],
        [0.0, 0.9, 0.9, 0.0],
        [1e-4, 0.0, 0.0, 0.0],
        [1e-4, 0.0, 0.0, 1.0],
    ];
    for (i, [weight_decay, momentum, keep, nesterov]) in steps.into_iter().enumerate() {
        for perturbation in [Perturbation::Divide, Perturbation::Reciprocal] {
            for scale in [1.0, 1e-36] {
                let replicas = 1 + random.below(6);
                let mut sketch = Sketch::new(random, replicas, 1);
                let elements = [3 + 16 * i as u32, 300];
                let gradients = sketch.arena(&elements, |random| random.float(scale));
                let parameters = sketch.arena(&elements, |random| random.float(scale));
                // The first step (keep = 0) must not read the momentum buffer.
                let momenta =
                    sketch.arena(&elements, |random| if keep == 0.0 { f32::NAN } else { random.float(scale) });
                let step = [weight_decay, momentum, keep, nesterov];
                let step = StepValues { weight_decay: step[0], momentum: step[1], keep: step[2], nesterov: step[3] };
                let values: Vec<ReplicaValues> =
                    (0..replicas).map(|_| ReplicaValues::new(1 + sketch.random.below(63), 0.1, perturbation)).collect();
                let bindings = sgd::Bindings {
                    gradients: sketch.table.whole(gradients.id),
                    step: sketch.words(bytemuck::cast_slice(&[step])),
                    replicas: sketch.words(bytemuck::cast_slice(&values)),
                    parameters: sketch.table.whole(parameters.id),
                    momenta: sketch.table.whole(momenta.id),
                };
                sgd::update(&mut sketch.rec, perturbation, bindings);
                let note = if scale == 1.0 { "" } else { ", subnormal" };
                let name = format!("update {perturbation:?}, decay {weight_decay}, momentum {momentum}, kept {keep}");
                sketch.finish(format!("{name}, nesterov {nesterov}{note}"), all);
            }
        }
    }
}

pub(super) fn adamw_updates(random: &mut Random, all: &mut Vec<Case>) {
    let usual = adamw::Coefficients { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 };
    let other = adamw::Coefficients { beta1: 0.0, beta2: 0.5, epsilon: 0.25, weight_decay: 0.0 };
    for (i, (coefficients, step)) in [(usual, 1), (usual, 9), (other, 1), (other, 3)].into_iter().enumerate() {
        for perturbation in [Perturbation::Divide, Perturbation::Reciprocal] {
            // Squares of the smallest are subnormal, and so is a part of the steps.
            for scale in [1.0, 1e-20, 1e-36] {
                let replicas = 1 + random.below(6);
                let mut sketch = Sketch::new(random, replicas, 1);
                let elements = [3 + 16 * i as u32, 1100];
                let gradients = sketch.arena(&elements, |random| random.float(scale));
                let parameters = sketch.arena(&elements, |random| random.float(scale));
                let means = sketch.arena(&elements, |random| random.float(scale));
                // Zeros, too, as before the first step.
                let squares = sketch.arena(&elements, |random| random.float(scale).powi(2) * random.below(2) as f32);
                let values: Vec<ReplicaValues> =
                    (0..replicas).map(|_| ReplicaValues::new(1 + sketch.random.below(63), 0.1, perturbation)).collect();
                let bindings = adamw::Bindings {
                    gradients: sketch.table.whole(gradients.id),
                    step: sketch.words(bytemuck::cast_slice(&[adamw::StepValues::new(coefficients, step, 0.1)])),
                    replicas: sketch.words(bytemuck::cast_slice(&values)),
                    parameters: sketch.table.whole(parameters.id),
                    means: [means.id, squares.id].map(|id| sketch.table.whole(id)),
                };
                adamw::update(&mut sketch.rec, perturbation, bindings);
                let name = format!("adamw {perturbation:?}, {coefficients:?}");
                sketch.finish(format!("{name}, step {step}, numbers of size {scale}"), all);
            }
        }
    }
}

pub(super) fn measurements(random: &mut Random, all: &mut Vec<Case>) {
    for i in 0..3 {
        let (replicas, n_tensors) = (1 + random.below(5), 1 + random.below(5));
        let mut sketch = Sketch::new(random, replicas, 1);
        let elements: Vec<u32> =
            (0..n_tensors).map(|_| 1 + sketch.random.below(if i == 2 { 20_000 } else { 700 })).collect();
        let reference = sketch.arena(&elements, |_| 0.0);
        let [parameters, momenta] = [0; 2].map(|_| sketch.arena(&elements, |_| 0.0));
        let stride = reference.stride as usize;
        // The padding between tensors stays zero. The first replica equals the reference; the others are near it or far away.
        for (offset, count) in reference.offsets.iter().zip(&elements) {
            for e in (*offset..offset + count).map(|e| e as usize) {
                let value = sketch.random.float(2.0);
                sketch.contents[0][e] = value.to_bits();
                for r in 0..replicas as usize {
                    let bits = match sketch.random.below(8) {
                        0 => sketch.random.float(2.0).to_bits(),
                        1 => sketch.random.float(1e38).to_bits(),
                        2 => (value * 1e-37).to_bits(),
                        3 if i == 1 => sketch.random.one_of(&[f32::INFINITY, f32::NEG_INFINITY]).to_bits(),
                        4 => value.to_bits() ^ sketch.random.below(4),
                        _ => value.to_bits(),
                    };
                    sketch.contents[1][r * stride + e] = if r == 0 { value.to_bits() } else { bits };
                    sketch.contents[2][r * stride + e] = sketch.random.float(1.0).to_bits();
                }
            }
        }
        let n_blocks = reference.stride / divergence::BLOCK;
        let mut tensors = Vec::new();
        let mut places = vec![[0; 4]; n_blocks as usize];
        for (t, (offset, count)) in reference.offsets.iter().zip(&elements).enumerate() {
            let (first, blocks) = (offset / divergence::BLOCK, count.div_ceil(divergence::BLOCK));
            tensors.extend([first, blocks, *count, 0]);
            for block in 0..blocks {
                let index = block * divergence::BLOCK;
                places[(first + block) as usize] = [t as u32, index, (count - index).min(divergence::BLOCK), 0];
            }
        }
        let [whole, reference, momenta] = [parameters.id, reference.id, momenta.id].map(|id| sketch.table.whole(id));
        let blocks = sketch.junk((n_blocks * replicas) as usize * divergence::BLOCK_BYTES as usize / 4);
        let tensors = sketch.words(&tensors);
        let results = sketch.junk((replicas * n_tensors * 8) as usize);
        divergence::measure(&mut sketch.rec, n_tensors, [whole, reference, blocks, tensors, results]);
        let places = sketch.words(places.as_flattened());
        let blocks = sketch.junk((n_blocks * replicas * 2) as usize);
        let results = sketch.junk(replicas as usize * 2);
        // Other arenas of an optimiser have other salts, so the same numbers will do.
        let optimizer = [momenta, whole, momenta];
        let bindings =
            fingerprint::Bindings { parameters: whole, optimizer: &optimizer[..1 + i], places, blocks, results };
        fingerprint::measure(&mut sketch.rec, bindings);
        let (element, replica) = (sketch.random.below(stride as u32), sketch.random.below(replicas));
        flip_bit::flip(&mut sketch.rec, whole, element, replica);
        sketch.finish(format!("divergence and fingerprint of {elements:?}"), all);

        let mut sketch = Sketch::new(random, replicas, 1);
        sketch.rec.job.running_stride = 64 * (1 + sketch.random.below(5));
        let stride = sketch.rec.job.running_stride as usize;
        let mut values = sketch.random.floats(stride * replicas as usize, 1.0);
        for arena in values.chunks_mut(stride).skip(1) {
            for beyond in [f32::NAN, f32::INFINITY] {
                arena[sketch.random.below(stride as u32) as usize] = beyond;
            }
        }
        let (running, firsts) = (sketch.floats(&values), sketch.junk(replicas as usize));
        not_finite::search(&mut sketch.rec, [running, firsts]);
        sketch.finish("what is not finite", all);
    }
}

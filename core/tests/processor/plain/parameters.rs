//! Plain loops of the kernels on parameters: update, divergence, fingerprint.

use std::array::from_fn;

use lastbit_core::record::Function;

use super::Reading;
use super::numbers::{mix, relative, ulps};
use super::orders::{add, each, lane_sum, pairwise64};

impl Reading<'_> {
    pub(super) fn sgd_update(&self) {
        let [gradients, step, perturbations, parameters, momenta] = self.arrays[..] else { unreachable!() };
        let [weight_decay, momentum, keep, nesterov] = from_fn(|field| step.get(field));
        for (at, [r, _]) in each([self.replicas, self.stride()]).enumerate() {
            let k = perturbations.word(r * 4);
            let [rate, reciprocal] = [1, 2].map(|field| perturbations.get(r * 4 + field));
            let p = parameters.get(at);
            let g = self.mac(weight_decay, p, gradients.get(at));
            let buffer = self.mac(keep, if keep == 0.0 { 0.0 } else { momenta.get(at) }, g);
            momenta.set(at, buffer);
            let direction = if nesterov != 0.0 {
                self.mac(momentum, buffer, g)
            } else if momentum != 0.0 {
                buffer
            } else {
                g
            };
            let divided = if self.flag("RECIPROCAL") { direction * reciprocal } else { direction / k as f32 };
            parameters.set(at, self.mac(-rate, divided, p));
        }
    }

    pub(super) fn adamw_update(&self) {
        let [gradients, step, perturbations, parameters, means, mean_squares] = self.arrays[..] else { unreachable!() };
        let [decay, blend, keep_squares, blend_squares, correction, root_correction, epsilon] =
            from_fn(|field| step.get(field));
        for (at, [r, _]) in each([self.replicas, self.stride()]).enumerate() {
            let k = perturbations.word(r * 4);
            let [rate, reciprocal] = [1, 2].map(|field| perturbations.get(r * 4 + field));
            let [p, g, mean, squares] = [parameters, gradients, means, mean_squares].map(|array| array.get(at));
            let mean = self.mac(blend, g - mean, mean);
            let squares = self.mac(blend_squares * g, g, keep_squares * squares);
            means.set(at, mean);
            mean_squares.set(at, squares);
            let direction = mean * correction / self.mac(squares.sqrt(), root_correction, epsilon);
            let divided = if self.flag("RECIPROCAL") { direction * reciprocal } else { direction / k as f32 };
            parameters.set(at, self.mac(-rate, divided, self.mac(-decay, p, p)));
        }
    }

    pub(super) fn divergence_blocks(&self) {
        let [parameters, reference, blocks] = self.arrays[..] else { unreachable!() };
        for (at, [_, block]) in each([self.replicas, self.stride() / 64]).enumerate() {
            let (mut sum, mut squares, mut reference_squares) = ([0.0; 4], [0.0; 4], [0.0; 4]);
            let (mut farthest, mut differing) = (0, 0);
            for vector in 0..16 {
                let a: [u32; 4] = from_fn(|lane| parameters.word(at * 64 + vector * 4 + lane));
                let b: [u32; 4] = from_fn(|lane| reference.word(block * 64 + vector * 4 + lane));
                for lane in 0..4 {
                    let (x, y) = (f32::from_bits(a[lane]), f32::from_bits(b[lane]));
                    reference_squares[lane] = self.mac(y, y, reference_squares[lane]);
                    // The comparison is per vector: a lane with equal infinities adds NaN if another lane differs.
                    if a != b {
                        sum[lane] += relative(a[lane], b[lane]);
                        squares[lane] = self.mac(x - y, x - y, squares[lane]);
                        farthest = farthest.max(ulps(a[lane], b[lane]));
                        differing += u32::from(a[lane] != b[lane]);
                    }
                }
            }
            let [sum, squares, reference_squares] = [sum, squares, reference_squares].map(|v| lane_sum(v).to_bits());
            for (i, word) in [sum, farthest, differing, squares, reference_squares, 0, 0, 0].into_iter().enumerate() {
                blocks.set_word(at * 8 + i, word);
            }
        }
    }

    pub(super) fn divergence_tensors(&self) {
        let [blocks, tensors, results] = self.arrays[..] else { unreachable!() };
        for (at, [r, tensor]) in each([self.replicas, self.argument("tensors")]).enumerate() {
            let [first, count, elements] = from_fn(|field| tensors.word(tensor * 4 + field));
            let field = |block, field| (r * self.stride() / 64 + first as usize + block) * 8 + field;
            let take = |part, block| add(part, [0, 3, 4].map(|i| blocks.get(field(block, i))));
            let [sum, squares, reference_squares] = pairwise64(count as usize, [0.0; 3], take, add);
            let farthest = (0..count as usize).map(|block| blocks.word(field(block, 1))).max().unwrap_or(0);
            let differing: u32 = (0..count as usize).map(|block| blocks.word(field(block, 2))).sum();
            let [rel_l1, l2, reference_l2] =
                [sum / elements as f32, squares.sqrt(), reference_squares.sqrt()].map(f32::to_bits);
            for (i, word) in [rel_l1, farthest, differing, l2, reference_l2, 0, 0, 0].into_iter().enumerate() {
                results.set_word(at * 8 + i, word);
            }
        }
    }

    pub(super) fn fingerprint_blocks(&self) {
        let [parameters, momenta, places, blocks] = self.arrays[..] else { unreachable!() };
        for (at, [_, block]) in each([self.replicas, self.stride() / 64]).enumerate() {
            let [tensor, first, elements] = from_fn(|field| places.word(block * 4 + field));
            for salt in 0..2 {
                let words = (0..elements).map(|i| {
                    let (element, index) = (at * 64 + i as usize, first.wrapping_add(i));
                    let parameter = mix(parameters.word(element), index, tensor, salt);
                    parameter.wrapping_add(mix(momenta.word(element), index, tensor, salt + 2))
                });
                blocks.set_word(at * 2 + salt as usize, words.fold(0, u32::wrapping_add));
            }
        }
    }

    pub(super) fn fingerprint_arena(&self) {
        let [arena, places, blocks] = self.arrays[..] else { unreachable!() };
        let first_salt = self.argument("salt") as u32;
        for (at, [_, block]) in each([self.replicas, self.stride() / 64]).enumerate() {
            let [tensor, first, elements] = from_fn(|field| places.word(block * 4 + field));
            for salt in 0..2 {
                let mixed = |i| mix(arena.word(at * 64 + i as usize), first.wrapping_add(i), tensor, first_salt + salt);
                let word = at * 2 + salt as usize;
                blocks.set_word(word, (0..elements).map(mixed).fold(blocks.word(word), u32::wrapping_add));
            }
        }
    }

    pub(super) fn fingerprint_sum(&self) {
        let blocks = self.stride() / 64;
        for [r, salt] in each([self.replicas, 2]) {
            let words = (0..blocks).map(|block| self.arrays[0].word((r * blocks + block) * 2 + salt));
            self.arrays[1].set_word(r * 2 + salt, words.fold(0, u32::wrapping_add));
        }
    }

    pub(super) fn flip_bit(&self) {
        let at = self.argument("replica") * self.stride() + self.argument("element");
        if self.argument("replica") < self.replicas {
            self.arrays[0].set_word(at, self.arrays[0].word(at) ^ 1);
        }
    }

    pub(super) fn shared_functions(&self) {
        let operands = &self.arrays[0];
        for i in 0..self.argument("count") {
            let [x, y, z] = [0, 1, 2].map(|operand| operands.get(i * 4 + operand));
            let result = match Function::ALL[self.size("FUNCTION")] {
                Function::DivideExactly => x / operands.word(i * 4 + 1) as f32,
                Function::Exp => self.math.exp_finite(x),
                Function::Log => self.math.log_positive(x),
                Function::Sigmoid => self.math.sigmoid(x),
                Function::Log1pExpNegAbs => self.math.log1p_exp_neg_abs(x),
                Function::Quotient => x / y,
                Function::Root => x.sqrt(),
                Function::Mac => self.math.mac(x, y, z),
                Function::Product => x * y,
                Function::Sum => x + y,
                Function::Tanh => self.math.tanh(x),
            };
            self.arrays[1].set(i, result);
        }
    }

    pub(super) fn running_not_finite(&self) {
        let stride = self.dispatch.job.running_stride as usize;
        for r in 0..self.replicas {
            let first = (0..stride).find(|i| !self.arrays[0].get(r * stride + i).is_finite());
            self.arrays[1].set_word(r, first.unwrap_or(stride) as u32);
        }
    }
}

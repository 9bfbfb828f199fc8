//! The last step of a weight gradient: adds the chains and stores their sum.

use super::{CHAINS, Keep, WeightBlocks, sum_chains};
use crate::processor::lanes::Lanes;
use crate::processor::memory::{Scratch, View};
use crate::processor::twin::{Launch, Twin};

/// Elements of `[C][taps]` that are added and then transposed at once. They fill whole cache lines of the gradient.
const AT_ONCE: usize = 64;

/// Adds the chains of a weight gradient after [`WeightBlocks::run`]. Transposes `[C][taps][K]` to `[K][C][taps]`.
pub struct ChainSum {
    sums: View<f32>,
    gradient: View<f32>,
    outputs: usize,
    /// C x taps.
    inputs: usize,
    blocks: usize,
    /// Number of chains or blocks whose sums a replica has: [`WeightBlocks::slots`].
    slots: usize,
    parameter_stride: usize,
}

impl ChainSum {
    /// Replaces the `conv_dweight_reduce` dispatch `reduce` after a step that keeps `keep`.
    pub fn of<const STRIDE: usize>(reduce: &Launch<'_>, blocks: &WeightBlocks<STRIDE>, keep: Keep) -> Self {
        Self {
            sums: reduce.floats(0),
            gradient: reduce.floats(1),
            outputs: blocks.outputs,
            inputs: reduce.size("ELEMENTS") / blocks.outputs,
            blocks: blocks.blocks(),
            slots: blocks.slots(keep),
            parameter_stride: reduce.job().parameter_stride as usize,
        }
    }

    /// Number of elements of `[C][taps]` in a piece.
    fn inputs_of_piece(&self) -> usize {
        (524_288 / (self.outputs * self.slots)).next_multiple_of(AT_ONCE)
    }

    /// Adds `length` elements of all blocks or chains. For more than eight blocks, `chains` has room for 8 x `length`
    /// floats.
    #[inline(always)]
    unsafe fn add<L: Lanes>(&self, from: *const f32, length: usize, chains: &mut [f32], sums: &mut [f32]) {
        let elements = self.inputs * self.outputs;
        let (mut from, mut stride, mut count) = (from, elements, self.slots);
        // SAFETY: upheld by the caller.
        unsafe {
            if self.slots > CHAINS {
                // Chains begin at 0 and never become -0, so a missing block changes nothing.
                chains.fill(0.0);
                for slot in 0..self.slots {
                    let from = from.add(slot * elements);
                    let chain = chains[slot % CHAINS * length..][..length].as_mut_ptr();
                    let whole = length / L::N * L::N;
                    for e in (0..whole).step_by(L::N) {
                        L::store(chain.add(e), L::add(L::load(chain.add(e)), L::load(from.add(e))));
                    }
                    for e in whole..length {
                        *chain.add(e) += *from.add(e);
                    }
                }
                (from, stride, count) = (chains.as_ptr(), length, CHAINS);
            }
            let whole = length / L::N * L::N;
            for e in (0..whole).step_by(L::N) {
                let mut all = [L::splat(0.0); CHAINS];
                for (chain, value) in all.iter_mut().enumerate() {
                    if chain < count {
                        *value = L::load(from.add(chain * stride + e));
                    }
                }
                L::store(sums.as_mut_ptr().add(e), sum_chains::<L>(all));
            }
            for (e, sum) in sums.iter_mut().enumerate().take(length).skip(whole) {
                let mut all = [0.0; CHAINS];
                for (chain, value) in all.iter_mut().enumerate().take(count) {
                    *value = *from.add(chain * stride + e);
                }
                let [low, high] = [0, 4].map(|c| (all[c] + all[c + 1]) + (all[c + 2] + all[c + 3]));
                *sum = low + high;
            }
        }
    }

    /// Transposes `rows` rows of K floats.
    #[inline(always)]
    unsafe fn transpose<L: Lanes>(&self, from: *const f32, rows: usize, to: *mut f32) {
        let whole = [rows / 4 * 4, self.outputs / L::N * L::N];
        // SAFETY: upheld by the caller.
        unsafe {
            for k in (0..whole[1]).step_by(L::N) {
                for e in (0..whole[0]).step_by(4) {
                    let mut transposed = [L::splat(0.0); 4];
                    for (i, row) in transposed.iter_mut().enumerate() {
                        *row = L::load(from.add((e + i) * self.outputs + k));
                    }
                    L::store_transposed(to.add(k * self.inputs + e), self.inputs, transposed);
                }
            }
            for k in 0..self.outputs {
                for e in if k < whole[1] { whole[0] } else { 0 }..rows {
                    *to.add(k * self.inputs + e) = *from.add(e * self.outputs + k);
                }
            }
        }
    }
}

impl Twin for ChainSum {
    fn new(_: &Launch<'_>) -> Self {
        unreachable!("built by `ChainSum::of`")
    }

    fn pieces(&self) -> usize {
        self.inputs.div_ceil(self.inputs_of_piece())
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let count = self.inputs_of_piece();
        for first in (piece * count..self.inputs.min((piece + 1) * count)).step_by(AT_ONCE) {
            let rows = AT_ONCE.min(self.inputs - first);
            let length = rows * self.outputs;
            let of_chains = if self.slots > CHAINS { CHAINS * length } else { 0 };
            let (chains, sums) = scratch.floats(of_chains + length).split_at_mut(of_chains);
            let from = replica * self.blocks * self.inputs * self.outputs + first * self.outputs;
            // SAFETY: within the views; pieces write different inputs.
            unsafe {
                self.add::<L>(self.sums.at(from), length, chains, sums);
                self.transpose::<L>(sums.as_ptr(), rows, self.gradient.at(replica * self.parameter_stride + first));
            }
        }
    }
}

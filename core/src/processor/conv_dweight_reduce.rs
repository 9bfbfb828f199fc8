//! Twin of shaders/conv_dweight_reduce.wgsl: adds the blocks of a weight gradient in eight chains.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::twin::{Launch, Twin};
use super::weight_blocks::{CHAINS, sum_chains};

/// One dispatch of `conv_dweight_reduce`.
pub struct ConvDweightReduce {
    partial: View<f32>,
    gradient: View<f32>,
    elements: usize,
    blocks: usize,
    parameter_stride: usize,
}

impl ConvDweightReduce {
    /// Elements in a piece, a multiple of every vector width.
    fn elements_of_piece(&self) -> usize {
        (131_072 / self.blocks.max(1)).next_multiple_of(64)
    }
}

impl Twin for ConvDweightReduce {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            partial: launch.floats(0),
            gradient: launch.floats(1),
            elements: launch.size("ELEMENTS"),
            blocks: launch.argument("blocks"),
            parameter_stride: launch.job().parameter_stride as usize,
        }
    }

    fn pieces(&self) -> usize {
        self.elements.div_ceil(self.elements_of_piece())
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _: &mut Scratch) {
        let count = self.elements_of_piece();
        let end = self.elements.min((piece + 1) * count);
        for e in (piece * count..end).step_by(L::N) {
            // SAFETY: accesses lie in the views; loads may reach up to a vector beyond the last element. Pieces write
            // different elements. Chains begin at 0 and never become -0, so the zeros that the shader adds for missing
            // blocks change nothing.
            unsafe {
                let from = self.partial.at(replica * self.blocks * self.elements + e);
                let to = self.gradient.at(replica * self.parameter_stride + e);
                let mut chains = [L::splat(0.0); CHAINS];
                let whole = self.blocks / CHAINS * CHAINS;
                for first in (0..whole).step_by(CHAINS) {
                    for (i, chain) in chains.iter_mut().enumerate() {
                        *chain = L::add(*chain, L::load(from.add((first + i) * self.elements)));
                    }
                }
                for (i, chain) in chains.iter_mut().enumerate() {
                    if whole + i < self.blocks {
                        *chain = L::add(*chain, L::load(from.add((whole + i) * self.elements)));
                    }
                }
                L::store_first(to, L::N.min(end - e), sum_chains::<L>(chains));
            }
        }
    }
}

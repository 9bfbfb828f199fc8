//! Twin of shaders/conv3x3_dweight.wgsl and shaders/conv3x3_dweight_staged.wgsl: the weight gradient of a 3x3
//! convolution, one sum for each block of pixels. If the dispatch that adds the blocks follows, two steps replace both
//! dispatches, and the first one adds the sums of the blocks while it computes them.

use std::ops::Range;

use super::lanes::Lanes;
use super::memory::Scratch;
use super::twin::{BySample, Launch, Twin};
use super::weight_blocks::{ChainSum, Keep, WeightBlocks};

/// One dispatch of `conv3x3_dweight`.
pub struct Conv3x3Dweight(WeightBlocks<1>);

impl Twin for Conv3x3Dweight {
    fn new(launch: &Launch<'_>) -> Self {
        let (row, plane) = (launch.size("ROW") * 4, launch.size("PLANE") * 4);
        let x = launch.tensor(0, launch.size("C") * plane);
        let dy = launch.tensor(1, launch.size("K") * plane);
        Self(WeightBlocks {
            x: if launch.flag("SHARED_INPUT") { x.shared() } else { x },
            dy,
            ds: dy,
            taps: launch.floats(2),
            centre: launch.floats(2),
            channels: launch.size("C"),
            outputs: launch.size("K"),
            height: launch.size("HEIGHT"),
            width: launch.size("WIDTH"),
            strips: launch.size("WIDTH").div_ceil(4),
            images: launch.size("IMAGES"),
            samples: launch.samples(),
            replicas: launch.replicas(),
            x_steps: [row, plane],
            y_steps: [row, plane],
        })
    }

    fn pieces(&self) -> usize {
        self.0.pieces(Keep::Blocks)
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        self.0.run::<L>(Keep::Blocks, replica, piece, scratch);
    }
}

impl BySample for Conv3x3Dweight {
    #[inline(always)]
    fn run_samples<L: Lanes>(&self, replica: usize, samples: Range<usize>, scratch: &mut Scratch) {
        self.0.run_samples::<L>(Keep::Blocks, replica, samples, scratch);
    }
}

/// One dispatch of `conv3x3_dweight` that `conv_dweight_reduce` follows: it keeps the sums of chains instead of blocks.
pub struct Conv3x3DweightChains {
    blocks: WeightBlocks<1>,
    keep: Keep,
}

impl Conv3x3DweightChains {
    /// The two steps that replace both dispatches. As a member of a sample loop, the first step keeps all chains.
    pub fn new_pair(dweight: &Launch<'_>, reduce: &Launch<'_>, in_loop: bool) -> (Self, ChainSum) {
        let Conv3x3Dweight(blocks) = Conv3x3Dweight::new(dweight);
        let keep = if in_loop { Keep::TransposedChains } else { blocks.transposed() };
        let sum = ChainSum::of(reduce, &blocks, keep);
        (Self { blocks, keep }, sum)
    }
}

impl Twin for Conv3x3DweightChains {
    fn new(_: &Launch<'_>) -> Self {
        unreachable!("built by `new_pair`")
    }

    fn pieces(&self) -> usize {
        self.blocks.pieces(self.keep)
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        self.blocks.run::<L>(self.keep, replica, piece, scratch);
    }
}

impl BySample for Conv3x3DweightChains {
    #[inline(always)]
    fn run_samples<L: Lanes>(&self, replica: usize, samples: Range<usize>, scratch: &mut Scratch) {
        self.blocks.run_samples::<L>(self.keep, replica, samples, scratch);
    }
}

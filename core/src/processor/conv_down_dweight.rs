//! Twin of shaders/conv_down_dweight.wgsl: the weight gradients of a 3x3 and a 1x1 convolution, both of stride 2 and of
//! the same input, one sum for each block of pixels. If the two dispatches that add the blocks follow, three steps
//! replace all three dispatches, and the first one adds the sums of the blocks while it computes them.

use std::ops::Range;

use super::lanes::Lanes;
use super::memory::Scratch;
use super::twin::{BySample, Launch, Twin};
use super::weight_blocks::{ChainSum, Keep, WeightBlocks};

/// One dispatch of `conv_down_dweight`.
pub struct ConvDownDweight(WeightBlocks<2>);

impl Twin for ConvDownDweight {
    fn new(launch: &Launch<'_>) -> Self {
        let (x_plane, y_plane) = (launch.size("X_PLANE") * 4, launch.size("Y_PLANE") * 4);
        let of_y = launch.size("K") * y_plane;
        Self(WeightBlocks {
            x: launch.tensor(0, launch.size("C") * x_plane),
            dy: launch.tensor(1, of_y),
            ds: launch.tensor(2, of_y),
            taps: launch.floats(3),
            centre: launch.floats(4),
            channels: launch.size("C"),
            outputs: launch.size("K"),
            height: launch.size("HEIGHT"),
            width: launch.size("WIDTH"),
            strips: launch.size("WIDTH").div_ceil(4),
            images: launch.size("IMAGES"),
            samples: launch.samples(),
            replicas: launch.replicas(),
            x_steps: [launch.size("X_ROW") * 4, x_plane],
            y_steps: [launch.size("Y_ROW") * 4, y_plane],
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

impl BySample for ConvDownDweight {
    #[inline(always)]
    fn run_samples<L: Lanes>(&self, replica: usize, samples: Range<usize>, scratch: &mut Scratch) {
        self.0.run_samples::<L>(Keep::Blocks, replica, samples, scratch);
    }
}

/// One dispatch of `conv_down_dweight` that `conv_dweight_reduce` follows for both weights: it keeps the sums of chains instead
/// of blocks.
pub struct ConvDownDweightChains {
    blocks: WeightBlocks<2>,
    keep: Keep,
}

impl ConvDownDweightChains {
    /// The three steps that replace three dispatches. The last two add the chains of the 3x3 and of the 1x1 convolution. As
    /// a member of a sample loop, the first step keeps all chains.
    pub fn new_triple(dweight: &Launch<'_>, reduce: [&Launch<'_>; 2], in_loop: bool) -> (Self, [ChainSum; 2]) {
        let ConvDownDweight(blocks) = ConvDownDweight::new(dweight);
        let keep = if in_loop { Keep::TransposedChains } else { blocks.transposed() };
        let sums = reduce.map(|reduce| ChainSum::of(reduce, &blocks, keep));
        (Self { blocks, keep }, sums)
    }
}

impl Twin for ConvDownDweightChains {
    fn new(_: &Launch<'_>) -> Self {
        unreachable!("built by `new_triple`")
    }

    fn pieces(&self) -> usize {
        self.blocks.pieces(self.keep)
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        self.blocks.run::<L>(self.keep, replica, piece, scratch);
    }
}

impl BySample for ConvDownDweightChains {
    #[inline(always)]
    fn run_samples<L: Lanes>(&self, replica: usize, samples: Range<usize>, scratch: &mut Scratch) {
        self.blocks.run_samples::<L>(self.keep, replica, samples, scratch);
    }
}

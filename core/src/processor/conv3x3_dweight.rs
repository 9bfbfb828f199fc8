//! Twin of shaders/conv3x3_dweight.wgsl and shaders/conv3x3_dweight_staged.wgsl: the gradient of a 3x3 convolution by
//! its weights, one sum for each block of pixels. Where the dispatch that adds the blocks follows, two steps replace
//! both dispatches, and the sums of the blocks are added while they are computed.

use super::lanes::Lanes;
use super::memory::Scratch;
use super::twin::{Launch, Twin};
use super::weight_blocks::{ChainSum, Keep, WeightBlocks};

/// The dispatch.
pub struct Conv3x3Dweight(WeightBlocks<1>);

impl Twin for Conv3x3Dweight {
    fn new(launch: &Launch<'_>) -> Self {
        let (row, plane) = (launch.size("ROW") * 4, launch.size("PLANE") * 4);
        Self(WeightBlocks {
            x: launch.floats(0),
            dy: launch.floats(1),
            ds: launch.floats(1),
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
            shared_input: launch.flag("SHARED_INPUT"),
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

/// The dispatch, when that of `conv_dweight_reduce` follows: sums of chains instead of blocks.
pub struct Conv3x3DweightChains(WeightBlocks<1>);

impl Conv3x3DweightChains {
    /// Both steps in place of both dispatches.
    pub fn new_pair(dweight: &Launch<'_>, reduce: &Launch<'_>) -> (Self, ChainSum) {
        let Conv3x3Dweight(blocks) = Conv3x3Dweight::new(dweight);
        let sum = ChainSum::of(reduce, &blocks, blocks.turned());
        (Self(blocks), sum)
    }
}

impl Twin for Conv3x3DweightChains {
    fn new(_: &Launch<'_>) -> Self {
        unreachable!("made from two dispatches")
    }

    fn pieces(&self) -> usize {
        self.0.pieces(self.0.turned())
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        self.0.run::<L>(self.0.turned(), replica, piece, scratch);
    }
}

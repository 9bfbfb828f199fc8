//! Twin of shaders/conv_down_dweight.wgsl: the gradients of a 3x3 and a 1x1 convolution, both of stride 2 and of the
//! same input, by their weights, one sum for each block of pixels. Where the two dispatches that add the blocks follow,
//! three steps replace all three, and the sums of the blocks are added while they are computed.

use super::lanes::Lanes;
use super::memory::Scratch;
use super::twin::{Launch, Twin};
use super::weight_blocks::{ChainSum, Keep, WeightBlocks};

/// The dispatch.
pub struct ConvDownDweight(WeightBlocks<2>);

impl Twin for ConvDownDweight {
    fn new(launch: &Launch<'_>) -> Self {
        Self(WeightBlocks {
            x: launch.floats(0),
            dy: launch.floats(1),
            ds: launch.floats(2),
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
            x_steps: [launch.size("X_ROW") * 4, launch.size("X_PLANE") * 4],
            y_steps: [launch.size("Y_ROW") * 4, launch.size("Y_PLANE") * 4],
            shared_input: false,
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

/// The dispatch, when those of `conv_dweight_reduce` for both weights follow: sums of chains instead of blocks.
pub struct ConvDownDweightChains(WeightBlocks<2>);

impl ConvDownDweightChains {
    /// Three steps in place of three dispatches; those that add are of the 3x3 and of the 1x1 convolution.
    pub fn new_triple(dweight: &Launch<'_>, reduce: [&Launch<'_>; 2]) -> (Self, [ChainSum; 2]) {
        let ConvDownDweight(blocks) = ConvDownDweight::new(dweight);
        let sums = reduce.map(|reduce| ChainSum::of(reduce, &blocks, blocks.turned()));
        (Self(blocks), sums)
    }
}

impl Twin for ConvDownDweightChains {
    fn new(_: &Launch<'_>) -> Self {
        unreachable!("made from three dispatches")
    }

    fn pieces(&self) -> usize {
        self.0.pieces(self.0.turned())
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        self.0.run::<L>(self.0.turned(), replica, piece, scratch);
    }
}

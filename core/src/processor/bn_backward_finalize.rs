//! Twin of shaders/bn_backward_finalize.wgsl: adds a channel's leaves, for the gradients of shift and scale and for
//! `bn_backward_apply`.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::shared::reduce::sum_pairs;
use super::twin::{Launch, Twin};

/// One dispatch of `bn_backward_finalize`. A piece is several channels.
pub struct BnBackwardFinalize {
    leaves: View<f32>,
    scale_gradient: View<f32>,
    means: View<f32>,
    channels: usize,
    leaves_of_channel: usize,
    count: u32,
    stride: usize,
    scale_to_shift: usize,
    pieces: Pieces,
}

impl Twin for BnBackwardFinalize {
    fn new(launch: &Launch<'_>) -> Self {
        let (height, width) = (launch.size("HEIGHT"), launch.size("WIDTH"));
        let leaves_of_channel = height * width.div_ceil(4) * launch.samples().div_ceil(launch.size("IMAGES"));
        let channels = launch.size("C");
        Self {
            leaves: launch.floats(0),
            scale_gradient: launch.floats(1),
            means: launch.floats(2),
            channels,
            leaves_of_channel,
            count: (launch.samples() * height * width) as u32,
            stride: launch.job().parameter_stride as usize,
            scale_to_shift: launch.argument("scale_to_shift"),
            pieces: Pieces::new(channels, 2 * leaves_of_channel),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _scratch: &mut Scratch) {
        for c in self.pieces.range(piece) {
            let channel = replica * self.channels + c;
            let floats = 2 * self.leaves_of_channel;
            let scale = replica * self.stride + c;
            let shift = scale + self.scale_to_shift;
            // SAFETY: the dispatch only reads leaves, and only this piece accesses this channel of the outputs.
            unsafe {
                let [g, products] = sum_pairs(self.leaves.read(channel * floats..(channel + 1) * floats));
                self.scale_gradient.write(scale..scale + 1)[0] = products;
                self.scale_gradient.write(shift..shift + 1)[0] = g;
                let count = self.count as f32;
                self.means.write(2 * channel..2 * channel + 2).copy_from_slice(&[g / count, products / count]);
            }
        }
    }
}

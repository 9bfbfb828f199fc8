//! Twin of shaders/bias_gradient.wgsl: adds a channel's leaves, for the gradient of its bias.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::shared::reduce::sum_pairs;
use super::twin::{Launch, Twin};

/// One dispatch of `bias_gradient`. A piece is several channels.
pub struct BiasGradient {
    leaves: View<f32>,
    gradient: View<f32>,
    channels: usize,
    leaves_of_channel: usize,
    stride: usize,
    pieces: Pieces,
}

impl Twin for BiasGradient {
    fn new(launch: &Launch<'_>) -> Self {
        let (height, width) = (launch.size("HEIGHT"), launch.size("WIDTH"));
        let leaves_of_channel = height * width.div_ceil(4) * launch.samples().div_ceil(launch.size("IMAGES"));
        let channels = launch.size("C");
        Self {
            leaves: launch.floats(0),
            gradient: launch.floats(1),
            channels,
            leaves_of_channel,
            stride: launch.job().parameter_stride as usize,
            pieces: Pieces::new(channels, 2 * leaves_of_channel),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _scratch: &mut Scratch) {
        for c in self.pieces.range(piece) {
            let (channel, floats) = (replica * self.channels + c, 2 * self.leaves_of_channel);
            let to = replica * self.stride + c;
            // SAFETY: the dispatch only reads leaves, and only this piece accesses this channel's gradient.
            unsafe {
                let [sum, _] = sum_pairs(self.leaves.read(channel * floats..(channel + 1) * floats));
                self.gradient.write(to..to + 1)[0] = sum;
            }
        }
    }
}

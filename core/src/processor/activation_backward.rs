//! Twin of shaders/activation_backward.wgsl: g <- g * activation'(y) in place.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::activation::Activation;
use super::shared::pieces::Pieces;
use super::shared::planes::{Planes, Regions, scratch as padded};
use super::twin::{Launch, Twin};

/// The dispatch; a piece is several regions.
pub struct ActivationBackward {
    y: View<f32>,
    g: View<f32>,
    regions: Regions,
    activation: Activation,
    count: usize,
    pieces: Pieces,
}

impl Twin for ActivationBackward {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = Planes::new(launch);
        let count = launch.samples() * planes.channels;
        let regions = Regions::new(planes, count, 1);
        Self {
            y: launch.floats(0),
            g: launch.floats(1),
            regions,
            activation: Activation::new(launch),
            count,
            pieces: Pieces::new(regions.count(), regions.run()),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let values = scratch.floats(self.regions.scratch());
        for region in self.pieces.range(piece).map(|index| self.regions.get(index)) {
            let (at, run) = (region.start(replica * self.count), region.run());
            // SAFETY: the dispatch only reads y; scratch is padded, and this piece alone has this region of g.
            unsafe {
                values[..run].copy_from_slice(self.y.read(at..at + run));
                self.activation.slope::<L>(&mut values[..padded(run)]);
                for (value, g) in values.iter_mut().zip(self.g.read(at..at + run)) {
                    *value *= g;
                }
                region.store::<L>(values, &self.g, at);
            }
        }
    }
}

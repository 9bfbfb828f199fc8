//! Twin of shaders/activation_forward.wgsl: a = activation(y).

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::activation::Activation;
use super::shared::pieces::Pieces;
use super::shared::planes::{Planes, Regions, scratch as padded};
use super::twin::{Launch, Twin};

/// The dispatch; a piece is several regions.
pub struct ActivationForward {
    y: View<f32>,
    a: View<f32>,
    regions: Regions,
    activation: Activation,
    count: usize,
    pieces: Pieces,
}

impl Twin for ActivationForward {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = Planes::new(launch);
        let count = launch.samples() * planes.channels;
        let regions = Regions::new(planes, count, 1);
        Self {
            y: launch.floats(0),
            a: launch.floats(1),
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
            // SAFETY: the dispatch only reads y; scratch is padded, and this piece alone has this region of a.
            unsafe {
                values[..run].copy_from_slice(self.y.read(at..at + run));
                self.activation.apply::<L>(&mut values[..padded(run)]);
                region.mask(values);
                region.store::<L>(values, &self.a, at);
            }
        }
    }
}

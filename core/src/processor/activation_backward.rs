//! Twin of shaders/activation_backward.wgsl: g <- g * activation'(y) in place.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::activation::Activation;
use super::shared::planes::{PlaneLayout, scratch as padded};
use super::shared::walk::Walk;
use super::twin::{Launch, Twin};

/// One dispatch of `activation_backward`. A piece is several regions.
pub struct ActivationBackward {
    y: View<f32>,
    g: View<f32>,
    activation: Activation,
    walk: Walk,
}

impl Twin for ActivationBackward {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            y: launch.floats(0),
            g: launch.floats(1),
            activation: Activation::new(launch),
            walk: Walk::new(launch, PlaneLayout::new(launch), 1, 1),
        }
    }

    fn pieces(&self) -> usize {
        self.walk.pieces()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let values = scratch.floats(self.walk.regions.scratch());
        for region in self.walk.piece(piece) {
            let (at, run) = (region.start(self.walk.first_plane(replica)), region.run());
            // SAFETY: the dispatch only reads y; scratch is padded, and only this piece accesses this region of g.
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

//! Twin of shaders/activation_forward.wgsl: a = activation(y).

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::activation::Activation;
use super::shared::planes::{PlaneLayout, scratch as padded};
use super::shared::walk::Walk;
use super::twin::{Launch, Twin};

/// One dispatch of `activation_forward`. A piece is several regions.
pub struct ActivationForward {
    y: View<f32>,
    a: View<f32>,
    activation: Activation,
    walk: Walk,
}

impl Twin for ActivationForward {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            y: launch.floats(0),
            a: launch.floats(1),
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
            // SAFETY: the dispatch only reads y; scratch is padded, and only this piece accesses this region of a.
            unsafe {
                values[..run].copy_from_slice(self.y.read(at..at + run));
                self.activation.apply::<L>(&mut values[..padded(run)]);
                region.mask(values);
                region.store::<L>(values, &self.a, at);
            }
        }
    }
}

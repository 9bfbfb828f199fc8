//! Twin of shaders/activation_features_backward.wgsl: g <- g * activation'(z) of features, in place.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::activation::Activation;
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};

/// Features that are computed at a time.
const BLOCK: usize = 1 << 10;

/// One dispatch of `activation_features_backward`. A piece is several blocks.
pub struct ActivationFeaturesBackward {
    z: View<f32>,
    g: View<f32>,
    activation: Activation,
    /// Features of one replica.
    elements: usize,
    pieces: Pieces,
}

impl Twin for ActivationFeaturesBackward {
    fn new(launch: &Launch<'_>) -> Self {
        let elements = launch.argument("elements");
        Self {
            z: launch.floats(0),
            g: launch.floats(1),
            activation: Activation::new(launch),
            elements,
            pieces: Pieces::new(elements.div_ceil(BLOCK), 4 * BLOCK),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let first = replica * self.elements;
        let values = scratch.floats(BLOCK);
        for block in self.pieces.range(piece) {
            let range = first + block * BLOCK..first + ((block + 1) * BLOCK).min(self.elements);
            // SAFETY: the dispatch only reads z, and only this piece accesses this block of g.
            unsafe {
                let z = self.z.read(range.clone());
                let values = &mut values[..z.len()];
                values.copy_from_slice(z);
                self.activation.slope::<L>(values);
                self.g.write(range).iter_mut().zip(values).for_each(|(g, slope)| *g *= *slope);
            }
        }
    }
}

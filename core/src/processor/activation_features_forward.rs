//! Twin of shaders/activation_features_forward.wgsl: a = activation(z) of features.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::activation::Activation;
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};

/// Features that are computed at a time.
const BLOCK: usize = 1 << 10;

/// One dispatch of `activation_features_forward`. A piece is several blocks.
pub struct ActivationFeaturesForward {
    z: View<f32>,
    a: View<f32>,
    activation: Activation,
    /// Features of one replica.
    elements: usize,
    pieces: Pieces,
}

impl Twin for ActivationFeaturesForward {
    fn new(launch: &Launch<'_>) -> Self {
        let elements = launch.argument("elements");
        Self {
            z: launch.floats(0),
            a: launch.floats(1),
            activation: Activation::new(launch),
            elements,
            pieces: Pieces::new(elements.div_ceil(BLOCK), 4 * BLOCK),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _scratch: &mut Scratch) {
        let first = replica * self.elements;
        for block in self.pieces.range(piece) {
            let range = first + block * BLOCK..first + ((block + 1) * BLOCK).min(self.elements);
            // SAFETY: the dispatch only reads z, and only this piece accesses this block of a.
            unsafe {
                let z = self.z.read(range.clone());
                let values = self.a.write(range);
                values.copy_from_slice(z);
                self.activation.apply::<L>(values);
            }
        }
    }
}

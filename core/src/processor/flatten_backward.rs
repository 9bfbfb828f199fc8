//! Twin of shaders/flatten_backward.wgsl: features as planes.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::shared::planes::PlaneLayout;
use super::twin::{Launch, Twin};

/// One dispatch of `flatten_backward`. A piece is several planes.
pub struct FlattenBackward {
    dfeatures: View<f32>,
    g: View<f32>,
    planes: PlaneLayout,
    /// Planes of a replica.
    count: usize,
    pieces: Pieces,
}

impl Twin for FlattenBackward {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = PlaneLayout::new(launch);
        let count = launch.samples() * planes.channels;
        let pieces = Pieces::new(count, 2 * planes.plane);
        Self { dfeatures: launch.floats(0), g: launch.floats(1), planes, count, pieces }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _: &mut Scratch) {
        let PlaneLayout { height, width, .. } = self.planes;
        for plane in self.pieces.range(piece).map(|plane| replica * self.count + plane) {
            for row in 0..height {
                let (from, to) = ((plane * height + row) * width, self.planes.start(plane, row));
                // SAFETY: the dispatch only reads the features, and only this piece accesses this row of g.
                unsafe {
                    let (pixels, beyond) = self.g.write(to..to + self.planes.across()).split_at_mut(width);
                    pixels.copy_from_slice(self.dfeatures.read(from..from + width));
                    beyond.fill(0.0);
                }
            }
        }
    }
}

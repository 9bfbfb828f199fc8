//! Twin of shaders/flatten_forward.wgsl: planes as features.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::shared::planes::PlaneLayout;
use super::twin::{Launch, Twin};

/// One dispatch of `flatten_forward`. A piece is several planes.
pub struct FlattenForward {
    x: View<f32>,
    features: View<f32>,
    planes: PlaneLayout,
    /// Planes of a replica.
    count: usize,
    pieces: Pieces,
}

impl Twin for FlattenForward {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = PlaneLayout::new(launch);
        let count = launch.samples() * planes.channels;
        let pieces = Pieces::new(count, 2 * planes.plane);
        Self { x: launch.floats(0), features: launch.floats(1), planes, count, pieces }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _: &mut Scratch) {
        let PlaneLayout { height, width, .. } = self.planes;
        for plane in self.pieces.range(piece).map(|plane| replica * self.count + plane) {
            for row in 0..height {
                let (from, to) = (self.planes.start(plane, row), (plane * height + row) * width);
                // SAFETY: the dispatch only reads x, and only this piece accesses these features.
                unsafe { self.features.write(to..to + width).copy_from_slice(self.x.read(from..from + width)) };
            }
        }
    }
}

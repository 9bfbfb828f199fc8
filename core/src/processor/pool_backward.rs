//! Twin of shaders/pool_backward.wgsl: g = dfeature / (H W).

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::shared::planes::PlaneLayout;
use super::twin::{Launch, Twin};

/// One dispatch of `pool_backward`. A piece is several planes.
pub struct PoolBackward {
    dfeatures: View<f32>,
    g: View<f32>,
    planes: PlaneLayout,
    count: usize,
    pieces: Pieces,
}

impl Twin for PoolBackward {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = PlaneLayout::new(launch);
        let count = launch.samples() * planes.channels;
        Self {
            dfeatures: launch.floats(0),
            g: launch.floats(1),
            planes,
            count,
            pieces: Pieces::new(count, planes.plane),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _scratch: &mut Scratch) {
        let planes = &self.planes;
        let size = (planes.height * planes.width) as f32;
        for plane in self.pieces.range(piece) {
            let plane = replica * self.count + plane;
            // SAFETY: the dispatch only reads dfeatures.
            let value = unsafe { self.dfeatures.read(plane..plane + 1)[0] } / size;
            for h in 0..planes.height {
                let at = planes.start(plane, h);
                // SAFETY: only this piece accesses this plane of g.
                let row = unsafe { self.g.write(at..at + planes.across()) };
                for quad in row.as_chunks_mut::<4>().0 {
                    *quad = [value; 4];
                }
                row[planes.width..].fill(value * 0.0);
            }
        }
    }
}

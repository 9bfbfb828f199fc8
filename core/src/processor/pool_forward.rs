//! Twin of shaders/pool_forward.wgsl: global average pool. Order: within a row, lane l of a vector adds columns l,
//! l + 4, ...; then the rows in turn; then the four lanes.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::shared::planes::PlaneLayout;
use super::shared::reduce::lane_sum;
use super::twin::{Launch, Twin};

/// One dispatch of `pool_forward`. A piece is several planes.
pub struct PoolForward {
    a: View<f32>,
    features: View<f32>,
    planes: PlaneLayout,
    count: usize,
    pieces: Pieces,
}

impl Twin for PoolForward {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = PlaneLayout::new(launch);
        let count = launch.samples() * planes.channels;
        Self {
            a: launch.floats(0),
            features: launch.floats(1),
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
            let at = planes.start(plane, 0);
            // SAFETY: the dispatch only reads a.
            let run = unsafe { self.a.read(at..at + planes.height * planes.row - 4) };
            let mut total = [0.0; 4];
            for row in run.chunks(planes.row) {
                let mut sums = [0.0; 4];
                for quad in row[..planes.across()].as_chunks::<4>().0 {
                    for l in 0..4 {
                        sums[l] += quad[l];
                    }
                }
                for l in 0..4 {
                    total[l] += sums[l];
                }
            }
            // SAFETY: only this piece accesses this feature.
            unsafe { self.features.write(plane..plane + 1)[0] = lane_sum(total) / size };
        }
    }
}

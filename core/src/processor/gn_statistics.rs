//! Twin of shaders/gn_statistics.wgsl: mean and deviation of each sample's group of channels.
//!
//! The lanes of a workgroup are independent sums: vectors run across them.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::chan::merge;
use super::shared::pieces::Pieces;
use super::shared::planes::PlaneLayout;
use super::shared::quads::{self, TURN};
use super::shared::reduce::{LANES, lane_sum};
use super::twin::{Launch, Twin};

/// One dispatch of `gn_statistics`. A piece is several groups of samples.
pub struct GnStatistics {
    y: View<f32>,
    scale: View<f32>,
    shift: View<f32>,
    channels: View<f32>,
    planes: PlaneLayout,
    /// Channels of a group.
    group: usize,
    /// Groups of all samples of a replica.
    count: usize,
    epsilon: f32,
    stride: usize,
    /// For each float of a group's quads: 1 inside a row, 0 beyond.
    mask: Vec<f32>,
    /// Values that each lane takes.
    counts: [f32; LANES],
    pieces: Pieces,
}

impl Twin for GnStatistics {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = PlaneLayout::new(launch);
        let group = launch.size("GROUP");
        let count = launch.samples() * planes.channels / group;
        let floats = quads::floats(&planes, group);
        let mask: Vec<f32> = (0..floats).map(|i| f32::from(u8::from(i % planes.across() < planes.width))).collect();
        let mut counts = [0.0; LANES];
        for (i, inside) in mask.iter().enumerate() {
            counts[i / 4 % LANES] += inside;
        }
        Self {
            y: launch.floats(0),
            scale: launch.floats(1),
            shift: launch.floats(2),
            channels: launch.floats(3),
            planes,
            group,
            count,
            epsilon: launch.float("EPSILON"),
            stride: launch.job().parameter_stride as usize,
            mask,
            counts,
            pieces: Pieces::new(count, 2 * floats),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let length = quads::floats(&self.planes, self.group);
        let values = scratch.floats(length);
        for item in self.pieces.range(piece) {
            let plane = (replica * self.count + item) * self.group;
            // SAFETY: the dispatch only reads y, scale and shift, and only this piece accesses these channels.
            unsafe {
                quads::gather(&self.planes, &self.y, plane, values);
                let leaves = self.leaves::<L>(values);
                let [count, mean, m2] = merge::<L>(&self.counts, leaves.as_flattened());
                let inverse = 1.0 / (m2 / count + self.epsilon).sqrt();
                let channel = replica * self.stride + plane % self.planes.channels;
                let (scale, shift) =
                    (self.scale.read(channel..channel + self.group), self.shift.read(channel..channel + self.group));
                let to = self.channels.write(4 * plane..4 * (plane + self.group));
                for ((to, scale), shift) in to.as_chunks_mut::<4>().0.iter_mut().zip(scale).zip(shift) {
                    *to = [mean, inverse, *scale, *shift];
                }
            }
        }
    }
}

impl GnStatistics {
    /// Mean and M2 of the quads of each lane.
    #[inline(always)]
    fn leaves<L: Lanes>(&self, values: &[f32]) -> [[f32; 2]; LANES] {
        let [mut minus_origin, mut sums, mut squares] = [[0.0; TURN]; 3];
        for (lane, quad) in minus_origin.as_chunks_mut::<4>().0.iter_mut().zip(values.as_chunks::<4>().0) {
            *lane = [-quad[0]; 4];
        }
        for (values, mask) in values.chunks(TURN).zip(self.mask.chunks(TURN)) {
            let lanes = minus_origin.iter().zip(&mut sums).zip(&mut squares);
            for ((value, mask), ((minus_origin, sum), square)) in values.iter().zip(mask).zip(lanes) {
                let d = (value + minus_origin) * mask;
                *sum += d;
                *square = L::mac1(d, d, *square);
            }
        }
        std::array::from_fn(|l| {
            let [sum, square] =
                [&sums, &squares].map(|of| lane_sum([of[4 * l], of[4 * l + 1], of[4 * l + 2], of[4 * l + 3]]));
            let offset = sum / self.counts[l];
            let m2 = L::mac1(-sum, offset, square);
            // NaN becomes 0, as on most GPUs; the mean shows it.
            [offset - minus_origin[4 * l], if m2 > 0.0 { m2 } else { 0.0 }]
        })
    }
}

//! Twin of shaders/gn_backward_reduce.wgsl: takes g through the activation in place, and sums g and g times the normalised value over
//! the pixels of each sample and channel.
//!
//! The lanes of a workgroup are independent sums: vectors run across them.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::activation::Activation;
use super::shared::norm::Norm;
use super::shared::pieces::Pieces;
use super::shared::planes::{PlaneLayout, parts, scratch as padded};
use super::shared::quads::{self, TURN};
use super::shared::reduce::{LANES, lane_sum, pairwise};
use super::twin::{Launch, Twin};

/// One dispatch of `gn_backward_reduce`. A piece is several planes.
pub struct GnBackwardReduce {
    y: View<f32>,
    channels: View<f32>,
    shortcut: View<f32>,
    g: View<f32>,
    sums: View<f32>,
    planes: PlaneLayout,
    /// Planes of a replica.
    count: usize,
    has_shortcut: bool,
    activation: Activation,
    pieces: Pieces,
}

impl Twin for GnBackwardReduce {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = PlaneLayout::new(launch);
        let count = launch.samples() * planes.channels;
        Self {
            y: launch.floats(0),
            channels: launch.floats(1),
            shortcut: launch.floats(2),
            g: launch.floats(3),
            sums: launch.floats(4),
            planes,
            count,
            has_shortcut: launch.flag("SHORTCUT"),
            activation: Activation::new(launch),
            pieces: Pieces::new(count, 4 * quads::floats(&planes, 1)),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let length = quads::floats(&self.planes, 1);
        let [normalized, slopes, g] = parts(scratch.floats(3 * padded(length)), [padded(length); 3]);
        for plane in self.pieces.range(piece).map(|plane| replica * self.count + plane) {
            // SAFETY: the dispatch only reads y, shortcut and channels; only this piece accesses this plane of g and its sums. Scratch
            // is padded.
            unsafe {
                quads::gather(&self.planes, &self.y, plane, &mut normalized[..length]);
                quads::gather(&self.planes, &self.g, plane, &mut g[..length]);
                let norm = Norm::<L>::read(&self.channels, plane);
                if self.has_shortcut && self.activation.is_some() {
                    quads::gather(&self.planes, &self.shortcut, plane, &mut slopes[..length]);
                }
                for i in (0..length).step_by(L::N) {
                    let value = norm.normalize(L::load(normalized.as_ptr().add(i)));
                    L::store(normalized.as_mut_ptr().add(i), value);
                    if self.activation.is_some() {
                        let mut z = norm.scale_and_shift(value);
                        if self.has_shortcut {
                            z = L::add(z, L::load(slopes.as_ptr().add(i)));
                        }
                        L::store(slopes.as_mut_ptr().add(i), z);
                    }
                }
                if self.activation.is_some() {
                    self.activation.slope::<L>(&mut slopes[..length]);
                    g[..length].iter_mut().zip(&slopes[..length]).for_each(|(g, slope)| *g *= slope);
                    quads::scatter(&self.planes, &g[..length], &self.g, plane);
                }
                let total = sums::<L>(&g[..length], &normalized[..length]);
                self.sums.write(2 * plane..2 * plane + 2).copy_from_slice(&total);
            }
        }
    }
}

/// Sum of g and of g times the normalised value, in the order of a workgroup.
#[inline(always)]
fn sums<L: Lanes>(g: &[f32], normalized: &[f32]) -> [f32; 2] {
    let [mut sums, mut products] = [[0.0; TURN]; 2];
    for (g, normalized) in g.chunks(TURN).zip(normalized.chunks(TURN)) {
        let lanes = sums.iter_mut().zip(&mut products);
        for ((g, normalized), (sum, product)) in g.iter().zip(normalized).zip(lanes) {
            *sum += g;
            *product = L::mac1(*g, *normalized, *product);
        }
    }
    [sums, products].map(|of| {
        let lanes: [f32; LANES] =
            std::array::from_fn(|l| lane_sum([of[4 * l], of[4 * l + 1], of[4 * l + 2], of[4 * l + 3]]));
        pairwise(lanes)
    })
}

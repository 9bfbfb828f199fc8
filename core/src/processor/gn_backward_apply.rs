//! Twin of shaders/gn_backward_apply.wgsl: the input gradient of group norm.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::norm::Norm;
use super::shared::planes::{PlaneLayout, Region};
use super::shared::walk::Walk;
use super::twin::{Launch, Twin};

/// One dispatch of `gn_backward_apply`. A piece is several regions.
pub struct GnBackwardApply {
    y: View<f32>,
    g: View<f32>,
    channels: View<f32>,
    means: View<f32>,
    dy: View<f32>,
    /// Channels of a group.
    group: usize,
    walk: Walk,
}

impl Twin for GnBackwardApply {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            y: launch.floats(0),
            g: launch.floats(1),
            channels: launch.floats(2),
            means: launch.floats(3),
            dy: launch.floats(4),
            group: launch.size("GROUP"),
            walk: Walk::new(launch, PlaneLayout::new(launch), 1, 2),
        }
    }

    fn pieces(&self) -> usize {
        self.walk.pieces()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let values = scratch.floats(self.walk.regions.scratch());
        let first = self.walk.first_plane(replica);
        for region in self.walk.piece(piece) {
            let at = region.start(first);
            // SAFETY: the dispatch only reads y, g, channels and means; only this piece accesses this region of dy.
            unsafe {
                match region.rows_of_vector::<L>() {
                    1 => self.vectors::<L, 1>(&region, at, first),
                    2 => self.vectors::<L, 2>(&region, at, first),
                    4 => self.vectors::<L, 4>(&region, at, first),
                    _ => self.run_on::<L>(&region, at, first, values),
                }
            }
        }
    }
}

impl GnBackwardApply {
    /// Computes a region in which S rows fill a vector.
    #[inline(always)]
    unsafe fn vectors<L: Lanes, const S: usize>(&self, region: &Region, at: usize, first: usize) {
        let PlaneLayout { plane, row, width, .. } = region.shape;
        for p in 0..region.planes {
            // SAFETY: upheld by the caller.
            unsafe {
                let gradient = self.gradient::<L>(first + region.plane + p);
                let [y, g] = [&self.y, &self.g].map(|of| of.at(at + p * plane).cast_const());
                let dy = self.dy.at(at + p * plane);
                for h in (0..region.rows).step_by(S) {
                    for w in (0..width).step_by(L::N) {
                        let i = h * row + w;
                        let (y, g) = (L::load_rows::<S>(y.add(i), row), L::load_rows::<S>(g.add(i), row));
                        L::store_rows::<S>(dy.add(i), row, gradient.by_input(y, g));
                    }
                }
            }
        }
    }

    /// Computes any region: its whole run, borders included.
    #[inline(always)]
    unsafe fn run_on<L: Lanes>(&self, region: &Region, at: usize, first: usize, values: &mut [f32]) {
        let plane = region.shape.plane;
        // SAFETY: upheld by the caller; a whole vector may begin anywhere in a tensor, and scratch is padded.
        unsafe {
            for p in 0..region.planes {
                let gradient = self.gradient::<L>(first + region.plane + p);
                let [y, g] = [&self.y, &self.g].map(|of| of.at(at + p * plane).cast_const());
                let to = values.as_mut_ptr().add(p * plane);
                let mut i = 0;
                while i < region.plane_run() {
                    L::store(to.add(i), gradient.by_input(L::load(y.add(i)), L::load(g.add(i))));
                    i += L::N;
                }
            }
            region.mask(values);
            region.store::<L>(values, &self.dy, at);
        }
    }

    /// The gradient's coefficients for a plane.
    #[inline(always)]
    unsafe fn gradient<L: Lanes>(&self, plane: usize) -> Gradient<L> {
        let group = plane / self.group;
        // SAFETY: upheld by the caller.
        unsafe {
            let channel = self.channels.read(4 * plane..4 * plane + 4);
            let mean = self.means.read(2 * group..2 * group + 2);
            Gradient {
                norm: Norm::<L>::read(&self.channels, plane),
                inverse: L::splat(channel[1]),
                scale: L::splat(channel[2]),
                minus_g: L::splat(-mean[0]),
                minus_product: L::splat(-mean[1]),
            }
        }
    }
}

/// Coefficients of group norm's input gradient for one plane, each in all lanes.
struct Gradient<L: Lanes> {
    norm: Norm<L>,
    /// 1 / sqrt(var + eps)
    inverse: L::V,
    /// The learned scale.
    scale: L::V,
    /// Minus the mean of scale times g.
    minus_g: L::V,
    /// Minus the mean of scale times g times the normalised y.
    minus_product: L::V,
}

impl<L: Lanes> Gradient<L> {
    /// The input gradient of a vector of y and g.
    ///
    /// # Safety
    /// The machine must support the instruction set.
    #[inline(always)]
    unsafe fn by_input(&self, y: L::V, g: L::V) -> L::V {
        // SAFETY: upheld by the caller.
        unsafe {
            let centred = L::mac(self.scale, g, self.minus_g);
            L::mul(self.inverse, L::mac(self.norm.normalize(y), self.minus_product, centred))
        }
    }
}

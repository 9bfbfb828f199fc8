//! Twin of shaders/bn_backward_apply.wgsl: the input gradient of batch norm.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::norm::Norm;
use super::shared::planes::{PlaneLayout, Region};
use super::shared::tensor::Tensor;
use super::shared::walk::{ByRegion, Walk};
use super::twin::{Launch, Twin};

/// One dispatch of `bn_backward_apply`. A piece is several regions.
pub struct BnBackwardApply {
    y: Tensor,
    g: Tensor,
    channels: View<f32>,
    means: View<f32>,
    dy: Tensor,
    walk: Walk,
}

impl Twin for BnBackwardApply {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = PlaneLayout::new(launch);
        let sample = planes.channels * planes.plane;
        Self {
            y: launch.tensor(0, sample),
            g: launch.tensor(1, sample),
            channels: launch.floats(2),
            means: launch.floats(3),
            dy: launch.tensor(4, sample),
            walk: Walk::new(launch, planes, 1, 2),
        }
    }

    fn pieces(&self) -> usize {
        self.walk.pieces()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        self.run_regions::<L>((replica, 0), self.walk.piece(piece), scratch);
    }
}

impl ByRegion for BnBackwardApply {
    fn walk(&self) -> &Walk {
        &self.walk
    }

    #[inline(always)]
    fn run_regions<L: Lanes>(
        &self,
        (replica, sample): (usize, usize),
        regions: impl Iterator<Item = Region>,
        scratch: &mut Scratch,
    ) {
        let values = scratch.floats(self.walk.regions.scratch());
        let [of_y, of_g, of_dy] = [&self.y, &self.g, &self.dy].map(|planes| planes.start(replica, sample));
        for region in regions {
            let at = [of_y, of_g, of_dy].map(|first| first + region.start(0));
            // SAFETY: the dispatch only reads y, g, channels and means; only this piece accesses this region of dy.
            unsafe {
                match region.rows_of_vector::<L>() {
                    1 => self.vectors::<L, 1>(&region, at, replica),
                    2 => self.vectors::<L, 2>(&region, at, replica),
                    4 => self.vectors::<L, 4>(&region, at, replica),
                    _ => self.run_on::<L>(&region, at, replica, values),
                }
            }
        }
    }
}

impl BnBackwardApply {
    /// Computes a region in which S rows fill a vector.
    #[inline(always)]
    unsafe fn vectors<L: Lanes, const S: usize>(&self, region: &Region, at: [usize; 3], replica: usize) {
        let PlaneLayout { plane, row, width, .. } = region.shape;
        for p in 0..region.planes {
            // SAFETY: upheld by the caller.
            unsafe {
                let gradient = self.gradient::<L>(region, p, replica);
                let y = self.y.at(at[0] + p * plane).cast_const();
                let g = self.g.at(at[1] + p * plane).cast_const();
                let dy = self.dy.at(at[2] + p * plane);
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
    unsafe fn run_on<L: Lanes>(&self, region: &Region, at: [usize; 3], replica: usize, values: &mut [f32]) {
        let plane = region.shape.plane;
        // SAFETY: upheld by the caller; a whole vector may begin anywhere in a tensor, and scratch is padded.
        unsafe {
            for p in 0..region.planes {
                let gradient = self.gradient::<L>(region, p, replica);
                let (y, g) = (self.y.at(at[0] + p * plane), self.g.at(at[1] + p * plane));
                let to = values.as_mut_ptr().add(p * plane);
                let mut i = 0;
                while i < region.plane_run() {
                    L::store(to.add(i), gradient.by_input(L::load(y.add(i)), L::load(g.add(i))));
                    i += L::N;
                }
            }
            region.mask(values);
            region.store::<L>(values, &self.dy, at[2]);
        }
    }

    /// The gradient's coefficients for the channel of plane `p` of a region.
    #[inline(always)]
    unsafe fn gradient<L: Lanes>(&self, region: &Region, p: usize, replica: usize) -> Gradient<L> {
        let channels = self.walk.regions.shape.channels;
        let at = replica * channels + (region.plane + p) % channels;
        // SAFETY: upheld by the caller.
        unsafe {
            let channel = self.channels.read(4 * at..4 * at + 4);
            let mean = self.means.read(2 * at..2 * at + 2);
            Gradient {
                norm: Norm::<L>::read(&self.channels, at),
                factor: L::splat(channel[2] * channel[1]),
                minus_g: L::splat(-mean[0]),
                minus_product: L::splat(-mean[1]),
            }
        }
    }
}

/// Coefficients of batch norm's input gradient for one channel, each in all lanes.
struct Gradient<L: Lanes> {
    norm: Norm<L>,
    /// The learned scale / sqrt(var + eps).
    factor: L::V,
    /// Minus the mean of g.
    minus_g: L::V,
    /// Minus the mean of g times the normalised y.
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
            let centred = L::add(g, self.minus_g);
            L::mul(self.factor, L::mac(self.norm.normalize(y), self.minus_product, centred))
        }
    }
}

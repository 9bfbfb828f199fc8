//! Twin of shaders/bn_apply.wgsl: a = activation(norm(y) + shortcut).

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::activation::Activation;
use super::shared::norm::Norm;
use super::shared::planes::{PlaneLayout, Region, scratch as padded};
use super::shared::tensor::Tensor;
use super::shared::walk::{ByRegion, Walk};
use super::twin::{Launch, Twin};

/// One dispatch of `bn_apply`. A piece is several regions.
pub struct BnApply {
    y: Tensor,
    channels: View<f32>,
    shortcut: Tensor,
    a: Tensor,
    has_shortcut: bool,
    /// Whether the coefficients are those of a sample and channel.
    per_sample: bool,
    samples: usize,
    activation: Activation,
    walk: Walk,
}

impl Twin for BnApply {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = PlaneLayout::new(launch);
        let sample = planes.channels * planes.plane;
        Self {
            y: launch.tensor(0, sample),
            channels: launch.floats(1),
            shortcut: launch.tensor(2, sample),
            a: launch.tensor(3, sample),
            has_shortcut: launch.flag("SHORTCUT"),
            per_sample: launch.flag("PER_SAMPLE"),
            samples: launch.samples(),
            activation: Activation::new(launch),
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

impl ByRegion for BnApply {
    fn walk(&self) -> &Walk {
        &self.walk
    }

    #[inline(always)]
    fn run_regions<L: Lanes>(
        &self,
        first: (usize, usize),
        regions: impl Iterator<Item = Region>,
        scratch: &mut Scratch,
    ) {
        let values = scratch.floats(self.walk.regions.scratch());
        let [of_y, of_shortcut, of_a] = [&self.y, &self.shortcut, &self.a].map(|planes| planes.start(first.0, first.1));
        for region in regions {
            let at = [of_y, of_shortcut, of_a].map(|start| start + region.start(0));
            // SAFETY: the dispatch only reads y, shortcut and channels; only this piece accesses this region of a.
            unsafe {
                match (self.activation, region.rows_of_vector::<L>()) {
                    (Activation::None | Activation::Relu, 1) => self.vectors::<L, 1>(&region, at, first),
                    (Activation::None | Activation::Relu, 2) => self.vectors::<L, 2>(&region, at, first),
                    (Activation::None | Activation::Relu, 4) => self.vectors::<L, 4>(&region, at, first),
                    _ => self.run_on::<L>(&region, at, first, values),
                }
            }
        }
    }
}

impl BnApply {
    /// The norm's coefficients for plane `p` of a region, whose planes are counted from a sample of a replica.
    #[inline(always)]
    unsafe fn norm<L: Lanes>(&self, region: &Region, p: usize, (replica, sample): (usize, usize)) -> Norm<L> {
        let (channels, plane) = (self.walk.regions.shape.channels, region.plane + p);
        let at = if self.per_sample {
            (replica * self.samples + sample) * channels + plane
        } else {
            replica * channels + plane % channels
        };
        // SAFETY: upheld by the caller.
        unsafe { Norm::<L>::read(&self.channels, at) }
    }

    /// Computes a region in which S rows fill a vector, with an activation that needs no scratch.
    #[inline(always)]
    unsafe fn vectors<L: Lanes, const S: usize>(&self, region: &Region, at: [usize; 3], first: (usize, usize)) {
        let PlaneLayout { plane, row, width, .. } = region.shape;
        for p in 0..region.planes {
            // SAFETY: upheld by the caller.
            unsafe {
                let norm = self.norm::<L>(region, p, first);
                let y = self.y.at(at[0] + p * plane).cast_const();
                let shortcut = self.shortcut.at(at[1] + p * plane).cast_const();
                let a = self.a.at(at[2] + p * plane);
                for h in (0..region.rows).step_by(S) {
                    for w in (0..width).step_by(L::N) {
                        let i = h * row + w;
                        let mut z = norm.scale_and_shift(norm.normalize(L::load_rows::<S>(y.add(i), row)));
                        if self.has_shortcut {
                            z = L::add(z, L::load_rows::<S>(shortcut.add(i), row));
                        }
                        if self.activation.is_some() {
                            z = L::relu(z);
                        }
                        L::store_rows::<S>(a.add(i), row, z);
                    }
                }
            }
        }
    }

    /// Computes any region: its whole run, borders included.
    #[inline(always)]
    unsafe fn run_on<L: Lanes>(&self, region: &Region, at: [usize; 3], first: (usize, usize), values: &mut [f32]) {
        let plane = region.shape.plane;
        // SAFETY: upheld by the caller; a whole vector may begin anywhere in a tensor, and scratch is padded.
        unsafe {
            for p in 0..region.planes {
                let norm = self.norm::<L>(region, p, first);
                let y = self.y.at(at[0] + p * plane);
                let shortcut = self.shortcut.at(at[1] + p * plane);
                let to = values.as_mut_ptr().add(p * plane);
                let mut i = 0;
                while i < region.plane_run() {
                    let mut z = norm.scale_and_shift(norm.normalize(L::load(y.add(i))));
                    if self.has_shortcut {
                        z = L::add(z, L::load(shortcut.add(i)));
                    }
                    L::store(to.add(i), z);
                    i += L::N;
                }
            }
            self.activation.apply::<L>(&mut values[..padded(region.run())]);
            region.mask(values);
            region.store::<L>(values, &self.a, at[2]);
        }
    }
}

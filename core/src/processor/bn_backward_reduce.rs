//! Twin of shaders/bn_backward_reduce.wgsl: backward through the activation in place, and the leaves' sums of g and
//! g * normalized.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::activation::Activation;
use super::shared::norm::Norm;
use super::shared::pieces::Pieces;
use super::shared::planes::{Planes, Region, Regions, copy_rows, parts, scratch as padded};
use super::shared::reduce::{in_pairs, lane_sums};
use super::twin::{Launch, Twin};

/// The dispatch; a piece is several regions of a chunk of images.
pub struct BnBackwardReduce {
    y: View<f32>,
    channels: View<f32>,
    shortcut: View<f32>,
    g: View<f32>,
    leaves: View<f32>,
    regions: Regions,
    images: usize,
    samples: usize,
    has_shortcut: bool,
    activation: Activation,
    pieces: Pieces,
}

impl Twin for BnBackwardReduce {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = Planes::new(launch);
        let regions = Regions::new(planes, planes.channels, 1);
        let (samples, images) = (launch.samples(), launch.size("IMAGES"));
        let items = regions.count() * samples.div_ceil(images);
        Self {
            y: launch.floats(0),
            channels: launch.floats(1),
            shortcut: launch.floats(2),
            g: launch.floats(3),
            leaves: launch.floats(4),
            regions,
            images,
            samples,
            has_shortcut: launch.flag("SHORTCUT"),
            activation: Activation::new(launch),
            pieces: Pieces::new(items, 2 * images.min(samples) * regions.scratch()),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let Planes { channels, plane, row, height, .. } = self.regions.shape;
        let quads = self.regions.shape.quads();
        let length = self.regions.scratch();
        let quarter = length / 4;
        let lengths = [length, length, length, quarter, quarter, 2 * quarter];
        let [sums, products, values, sums_of_leaves, products_of_leaves, pairs] =
            parts(scratch.floats(4 * length), lengths);
        let chunks = self.samples.div_ceil(self.images);
        for item in self.pieces.range(piece) {
            let (chunk, region) = (item / self.regions.count(), self.regions.get(item % self.regions.count()));
            let first = chunk * self.images;
            sums.fill(0.0);
            products.fill(0.0);
            for n in first..(first + self.images).min(self.samples) {
                let at = region.start((replica * self.samples + n) * channels);
                // SAFETY: this piece has region and channels of this image to itself.
                unsafe {
                    if self.activation.is_some() {
                        self.set_slope::<L>(&region, at, replica, values);
                    }
                    self.add::<L>(&region, at, replica, values, (sums, products));
                    if self.activation.is_some() {
                        region.store::<L>(values, &self.g, at);
                    }
                }
            }
            lane_sums(sums, sums_of_leaves);
            lane_sums(products, products_of_leaves);
            in_pairs([sums_of_leaves, products_of_leaves], pairs);
            for p in 0..region.planes {
                let channel = replica * channels + region.plane + p;
                let leaf = ((channel * chunks + chunk) * height + region.row) * quads;
                debug_assert!(2 * (leaf + region.rows * quads) <= self.leaves.len());
                // SAFETY: this piece alone has these leaves, and pairs are padded.
                unsafe {
                    let to = (self.leaves.at(2 * leaf), 2 * quads);
                    copy_rows::<L>((&raw const pairs[p * plane / 2], row / 2), to, region.rows, 2 * quads);
                }
            }
        }
    }
}

impl BnBackwardReduce {
    /// The activation's derivative at each pixel of a region.
    ///
    /// # Safety
    /// The machine has the instruction set; `values` are padded.
    #[inline(always)]
    unsafe fn set_slope<L: Lanes>(&self, region: &Region, at: usize, replica: usize, values: &mut [f32]) {
        let Planes { channels, plane, .. } = region.shape;
        let run = region.plane_run();
        for p in 0..region.planes {
            // SAFETY: the dispatch only reads y, shortcut and channels, where a whole vector may begin anywhere.
            unsafe {
                let norm = Norm::<L>::read(&self.channels, replica * channels + region.plane + p);
                let (y, shortcut) = (self.y.at(at + p * plane), self.shortcut.at(at + p * plane));
                let to = values.as_mut_ptr().add(p * plane);
                let mut i = 0;
                while i < run {
                    let mut z = norm.scale_and_shift(norm.normalize(L::load(y.add(i))));
                    if self.has_shortcut {
                        z = L::add(z, L::load(shortcut.add(i)));
                    }
                    L::store(to.add(i), z);
                    i += L::N;
                }
            }
        }
        self.activation.slope::<L>(&mut values[..padded(region.run())]);
    }

    /// Puts the gradient by the pre-activation in the place of the derivative, and adds it to the sums.
    ///
    /// # Safety
    /// The machine has the instruction set; `values` and sums are padded; nobody else writes this region of g.
    #[inline(always)]
    unsafe fn add<L: Lanes>(
        &self,
        region: &Region,
        at: usize,
        replica: usize,
        values: &mut [f32],
        (sums, products): (&mut [f32], &mut [f32]),
    ) {
        let Planes { channels, plane, .. } = region.shape;
        let run = region.plane_run();
        for p in 0..region.planes {
            let offset = p * plane;
            // SAFETY: the dispatch only reads y and channels, where a whole vector may begin anywhere. So it may in g:
            // what is read there beyond the run, up to 12 floats, is the border of the next plane or belongs to this
            // piece.
            unsafe {
                let norm = Norm::<L>::read(&self.channels, replica * channels + region.plane + p);
                let (y, g) = (self.y.at(at + offset), self.g.at(at + offset));
                let value = values.as_mut_ptr().add(offset);
                let (sum, product) = (sums.as_mut_ptr().add(offset), products.as_mut_ptr().add(offset));
                let mut i = 0;
                while i < run {
                    let mut d = L::load(g.add(i));
                    if self.activation.is_some() {
                        d = L::mul(d, L::load(value.add(i)));
                        L::store(value.add(i), d);
                    }
                    let normalized = norm.normalize(L::load(y.add(i)));
                    L::store(sum.add(i), L::add(L::load(sum.add(i)), d));
                    L::store(product.add(i), L::mac(d, normalized, L::load(product.add(i))));
                    i += L::N;
                }
            }
        }
    }
}

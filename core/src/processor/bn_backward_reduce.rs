//! Twin of shaders/bn_backward_reduce.wgsl: backward through the activation in place, and the leaves' sums of g and
//! g * normalized.

use std::ops::Range;

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::activation::Activation;
use super::shared::leaves::{self, FillsLeaves, Leaves};
use super::shared::norm::Norm;
use super::shared::planes::{IMAGES_AT_ONCE, PlaneLayout, Region, parts, scratch as padded};
use super::shared::reduce::{in_pairs, lane_sums};
use super::shared::tensor::Tensor;
use super::twin::{BySample, Launch, Twin};

/// One dispatch of `bn_backward_reduce`.
pub struct BnBackwardReduce {
    y: Tensor,
    channels: View<f32>,
    shortcut: Tensor,
    g: Tensor,
    leaves: Leaves,
    has_shortcut: bool,
    activation: Activation,
}

impl Twin for BnBackwardReduce {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = PlaneLayout::new(launch);
        let sample = planes.channels * planes.plane;
        Self {
            y: launch.tensor(0, sample),
            channels: launch.floats(1),
            shortcut: launch.tensor(2, sample),
            g: launch.tensor(3, sample),
            leaves: Leaves::new::<Self>(launch, 4),
            has_shortcut: launch.flag("SHORTCUT"),
            activation: Activation::new(launch),
        }
    }

    fn pieces(&self) -> usize {
        self.leaves.pieces()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        leaves::run::<L, Self>(self, replica, piece, scratch);
    }
}

impl BySample for BnBackwardReduce {
    #[inline(always)]
    fn run_samples<L: Lanes>(&self, replica: usize, samples: Range<usize>, scratch: &mut Scratch) {
        leaves::run_samples::<L, Self>(self, replica, samples, scratch);
    }
}

impl FillsLeaves for BnBackwardReduce {
    const RUNS: usize = 2;

    fn leaves(&self) -> &Leaves {
        &self.leaves
    }

    /// Multiplies g of the images by the activation's derivative, in place, before adding it.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn add<L: Lanes>(
        &self,
        (replica, samples): (usize, Range<usize>),
        region: &Region,
        sums: &mut [f32],
        rest: &mut [f32],
    ) {
        let length = self.leaves.regions.scratch();
        let (values, rest) = rest.split_at_mut(length);
        let [sums, products] = parts(sums, [length; 2]);
        if self.leaves.begins(&samples) {
            sums.fill(0.0);
            products.fill(0.0);
        }
        let runs = [sums.as_mut_ptr(), products.as_mut_ptr()];
        let rows = match self.activation {
            Activation::None | Activation::Relu => region.rows_of_vector::<L>(),
            Activation::Swish { .. } | Activation::Tanh => 0,
        };
        for first in samples.clone().step_by(IMAGES_AT_ONCE) {
            let images = first..samples.end.min(first + IMAGES_AT_ONCE);
            // SAFETY: only this piece accesses this region of g in these images; the dispatch only reads the other tensors.
            unsafe {
                match rows {
                    1 => self.vectors::<L, 1>(region, images, replica, runs),
                    2 => self.vectors::<L, 2>(region, images, replica, runs),
                    4 => self.vectors::<L, 4>(region, images, replica, runs),
                    _ => {
                        for sample in images {
                            let tensors = [&self.y, &self.shortcut, &self.g];
                            let at = tensors.map(|planes| planes.start(replica, sample) + region.start(0));
                            if self.activation.is_some() {
                                self.set_slope::<L>(region, at, replica, values);
                            }
                            self.add_run::<L>(region, at, replica, values, (sums, products));
                            if self.activation.is_some() {
                                region.store::<L>(values, &self.g, at[2]);
                            }
                        }
                    }
                }
            }
        }
        if self.leaves.ends(&samples).is_some() {
            let quarter = length / 4;
            let [sums_of_leaves, products_of_leaves, pairs] = parts(rest, [quarter, quarter, 2 * quarter]);
            lane_sums(sums, sums_of_leaves);
            lane_sums(products, products_of_leaves);
            in_pairs([sums_of_leaves, products_of_leaves], pairs);
            self.leaves.write::<L>(region, (replica, samples.end - 1), pairs);
        }
    }
}

impl BnBackwardReduce {
    /// Computes a region in which S rows fill a vector, with an activation whose derivative needs no scratch.
    ///
    /// # Safety
    /// As for `add_run`; `runs` must point to the sums.
    #[inline(always)]
    unsafe fn vectors<L: Lanes, const S: usize>(
        &self,
        region: &Region,
        images: Range<usize>,
        replica: usize,
        runs: [*mut f32; 2],
    ) {
        let PlaneLayout { channels, plane, row, width, .. } = region.shape;
        let at = region.start(0);
        for p in 0..region.planes {
            // SAFETY: upheld by the caller.
            unsafe {
                let norm = Norm::<L>::read(&self.channels, replica * channels + region.plane + p);
                let y = self.y.at(self.y.start(replica, images.start) + at + p * plane).cast_const();
                let shortcut = self.shortcut.start(replica, images.start) + at + p * plane;
                let shortcut = self.shortcut.at(shortcut).cast_const();
                let g = self.g.at(self.g.start(replica, images.start) + at + p * plane);
                let (sum, product) = (runs[0].add(p * plane), runs[1].add(p * plane));
                for h in (0..region.rows).step_by(S) {
                    for w in (0..width).step_by(L::N) {
                        let i = h * row + w;
                        let mut new_sum = L::load_rows::<S>(sum.add(i), row);
                        let mut new_product = L::load_rows::<S>(product.add(i), row);
                        for image in 0..images.len() {
                            let y = y.add(i + image * self.y.step());
                            let normalized = norm.normalize(L::load_rows::<S>(y, row));
                            let g = g.add(i + image * self.g.step());
                            let mut d = L::load_rows::<S>(g, row);
                            if self.activation.is_some() {
                                let mut z = norm.scale_and_shift(normalized);
                                if self.has_shortcut {
                                    let shortcut = shortcut.add(i + image * self.shortcut.step());
                                    z = L::add(z, L::load_rows::<S>(shortcut, row));
                                }
                                d = L::mul(d, L::is_positive(z));
                                L::store_rows::<S>(g, row, d);
                            }
                            new_sum = L::add(new_sum, d);
                            new_product = L::mac(d, normalized, new_product);
                        }
                        L::store_rows::<S>(sum.add(i), row, new_sum);
                        L::store_rows::<S>(product.add(i), row, new_product);
                    }
                }
            }
        }
    }

    /// Sets `values` to the activation's derivative at each pixel of a region.
    ///
    /// # Safety
    /// The machine must support the instruction set, and `values` must be padded.
    #[inline(always)]
    unsafe fn set_slope<L: Lanes>(
        &self,
        region: &Region,
        [of_y, of_shortcut, _]: [usize; 3],
        replica: usize,
        values: &mut [f32],
    ) {
        let PlaneLayout { channels, plane, .. } = region.shape;
        let run = region.plane_run();
        for p in 0..region.planes {
            // SAFETY: the dispatch only reads y, shortcut and channels, where a whole vector may begin anywhere.
            unsafe {
                let norm = Norm::<L>::read(&self.channels, replica * channels + region.plane + p);
                let (y, shortcut) = (self.y.at(of_y + p * plane), self.shortcut.at(of_shortcut + p * plane));
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

    /// Replaces the derivative in `values` by the gradient of the pre-activation, and adds it to the sums.
    ///
    /// # Safety
    /// The machine must support the instruction set, `values` and sums must be padded, and nothing else may write this region of g.
    #[inline(always)]
    unsafe fn add_run<L: Lanes>(
        &self,
        region: &Region,
        [of_y, _, of_g]: [usize; 3],
        replica: usize,
        values: &mut [f32],
        (sums, products): (&mut [f32], &mut [f32]),
    ) {
        let PlaneLayout { channels, plane, .. } = region.shape;
        let run = region.plane_run();
        for p in 0..region.planes {
            let offset = p * plane;
            // SAFETY: the dispatch only reads y and channels, where a whole vector may begin anywhere. The same holds for
            // g: the floats read beyond the run, up to 12, are the border of the next plane or belong to this piece.
            unsafe {
                let norm = Norm::<L>::read(&self.channels, replica * channels + region.plane + p);
                let (y, g) = (self.y.at(of_y + offset), self.g.at(of_g + offset));
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

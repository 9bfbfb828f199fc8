//! Twin of shaders/bn_statistics.wgsl: mean and M2 (sum of squared distances from the mean) of each leaf, 4 neighbouring
//! pixels of a channel over up to 32 images.

use std::ops::Range;

use super::lanes::Lanes;
use super::memory::Scratch;
use super::shared::leaves::{self, FillsLeaves, Leaves};
use super::shared::planes::{IMAGES_AT_ONCE, PlaneLayout, Region, parts};
use super::shared::reduce::{in_pairs, lane_sum, lane_sums};
use super::shared::tensor::Tensor;
use super::twin::{BySample, Launch, Twin};

/// One dispatch of `bn_statistics`.
pub struct BnStatistics {
    y: Tensor,
    leaves: Leaves,
}

/// The runs of a region to which each image is added. For each pixel: minus the first value of its leaf, the sum of distances from
/// that value, and the sum of their squares.
type Sums<'a> = [&'a mut [f32]; 3];

impl Twin for BnStatistics {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = PlaneLayout::new(launch);
        Self { y: launch.tensor(0, planes.channels * planes.plane), leaves: Leaves::new::<Self>(launch, 1) }
    }

    fn pieces(&self) -> usize {
        self.leaves.pieces()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        leaves::run::<L, Self>(self, replica, piece, scratch);
    }
}

impl BySample for BnStatistics {
    #[inline(always)]
    fn run_samples<L: Lanes>(&self, replica: usize, samples: Range<usize>, scratch: &mut Scratch) {
        leaves::run_samples::<L, Self>(self, replica, samples, scratch);
    }
}

impl FillsLeaves for BnStatistics {
    const RUNS: usize = 3;

    fn leaves(&self) -> &Leaves {
        &self.leaves
    }

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
        let (mask, rest) = rest.split_at_mut(length);
        let is_ragged = self.leaves.regions.shape.excess() > 0;
        if is_ragged {
            mask.fill(1.0);
            region.mask(mask);
        }
        let mut sums = parts(sums, [length; 3]);
        if self.leaves.begins(&samples) {
            self.begin(region, (replica, samples.start), &mut sums);
        }
        let [minus_shift, sum, square] = sums.each_mut().map(|run| run.as_mut_ptr());
        let step = self.y.step();
        for first in samples.clone().step_by(IMAGES_AT_ONCE) {
            let images = IMAGES_AT_ONCE.min(samples.end - first);
            // SAFETY: the dispatch only reads y, where a whole vector may begin anywhere; scratch is padded.
            unsafe {
                let y = self.y.at(region.start(0) + self.y.start(replica, first)).cast_const();
                for i in (0..region.run()).step_by(L::N) {
                    let minus_shift = L::load(minus_shift.add(i));
                    let [mut new_sum, mut new_square] = [L::load(sum.add(i)), L::load(square.add(i))];
                    for image in 0..images {
                        let mut d = L::add(L::load(y.add(i + image * step)), minus_shift);
                        if is_ragged {
                            d = L::mul(d, L::load(mask.as_ptr().add(i)));
                        }
                        new_sum = L::add(new_sum, d);
                        new_square = L::mac(d, d, new_square);
                    }
                    L::store(sum.add(i), new_sum);
                    L::store(square.add(i), new_square);
                }
            }
        }
        if let Some(images) = self.leaves.ends(&samples) {
            let pairs = self.finish::<L>(images, sums, mask, rest);
            self.leaves.write::<L>(region, (replica, samples.end - 1), pairs);
        }
    }
}

impl BnStatistics {
    /// Resets the sums at the first image of a chunk.
    #[inline(always)]
    fn begin(&self, region: &Region, (replica, sample): (usize, usize), [minus_shift, sum, square]: &mut Sums<'_>) {
        let at = region.start(0) + self.y.start(replica, sample);
        // SAFETY: the dispatch only reads y.
        let y = unsafe { self.y.read(at..at + region.run()) };
        // The leaf's first value, in all of its lanes.
        for (shift, y) in minus_shift.as_chunks_mut::<4>().0.iter_mut().zip(y.as_chunks::<4>().0) {
            *shift = [-y[0]; 4];
        }
        sum.fill(0.0);
        square.fill(0.0);
    }

    /// Mean and M2 of each leaf from the sums of `images` images, as pairs laid out like the run.
    #[inline(always)]
    fn finish<'a, L: Lanes>(
        &self,
        images: usize,
        [minus_shift, sum, square]: Sums<'_>,
        mask: &[f32],
        rest: &'a mut [f32],
    ) -> &'a [f32] {
        let quarter = self.leaves.regions.scratch() / 4;
        let [counts, sums_of_leaves, squares_of_leaves, pairs] = parts(rest, [quarter, quarter, quarter, 2 * quarter]);
        counts.fill((4 * images) as f32);
        if self.leaves.regions.shape.excess() > 0 {
            for (count, mask) in counts.iter_mut().zip(mask.as_chunks::<4>().0) {
                *count = lane_sum(*mask) * images as f32;
            }
        }
        lane_sums(sum, sums_of_leaves);
        lane_sums(square, squares_of_leaves);
        moments::<L>(minus_shift, sums_of_leaves, squares_of_leaves, counts);
        in_pairs([sums_of_leaves, squares_of_leaves], pairs);
        pairs
    }
}

/// Mean and M2 of every vector of a run, borders included, from sums of distances and of their squares.
#[inline(always)]
fn moments<L: Lanes>(minus_shift: &[f32], sums: &mut [f32], squares: &mut [f32], counts: &[f32]) {
    let minus_shift = minus_shift.as_chunks::<4>().0;
    for (((sum, square), count), minus_shift) in sums.iter_mut().zip(squares).zip(counts).zip(minus_shift) {
        let offset = *sum / *count;
        let m2 = L::mac1(-*sum, offset, *square);
        *sum = offset - minus_shift[0];
        // NaN becomes 0, as on most GPUs; the mean shows it.
        *square = if m2 > 0.0 { m2 } else { 0.0 };
    }
}

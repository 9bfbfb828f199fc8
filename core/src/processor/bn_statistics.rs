//! Twin of shaders/bn_statistics.wgsl: mean and sum of squared distances of leaves of 4 neighbouring pixels of a
//! channel over up to 32 images.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::shared::planes::{Planes, Regions, copy_rows, parts};
use super::shared::reduce::{in_pairs, lane_sum, lane_sums};
use super::twin::{Launch, Twin};

/// The dispatch; a piece is several regions of a chunk of images.
pub struct BnStatistics {
    y: View<f32>,
    leaves: View<f32>,
    regions: Regions,
    images: usize,
    samples: usize,
    pieces: Pieces,
}

impl Twin for BnStatistics {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = Planes::new(launch);
        let regions = Regions::new(planes, planes.channels, 1);
        let (samples, images) = (launch.samples(), launch.size("IMAGES"));
        let items = regions.count() * samples.div_ceil(images);
        Self {
            y: launch.floats(0),
            leaves: launch.floats(1),
            regions,
            images,
            samples,
            pieces: Pieces::new(items, images.min(samples) * regions.scratch()),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let Planes { channels, plane, row, height, .. } = self.regions.shape;
        let quads = self.regions.shape.quads();
        let is_ragged = self.regions.shape.excess() > 0;
        let length = self.regions.scratch();
        let quarter = length / 4;
        let lengths = [length, length, length, length, quarter, quarter, quarter, 2 * quarter];
        let [minus_shift, sums, squares, mask, counts, sums_of_leaves, squares_of_leaves, pairs] =
            parts(scratch.floats(6 * length), lengths);
        let chunks = self.samples.div_ceil(self.images);
        for item in self.pieces.range(piece) {
            let (chunk, region) = (item / self.regions.count(), self.regions.get(item % self.regions.count()));
            let first = chunk * self.images;
            let images = self.images.min(self.samples - first);
            let run = region.run();
            counts.fill((4 * images) as f32);
            if is_ragged {
                mask.fill(1.0);
                region.mask(mask);
                for (count, mask) in counts.iter_mut().zip(mask.as_chunks::<4>().0) {
                    *count = lane_sum(*mask) * images as f32;
                }
            }
            sums.fill(0.0);
            squares.fill(0.0);
            for n in first..first + images {
                let at = region.start((replica * self.samples + n) * channels);
                if n == first {
                    // SAFETY: the dispatch only reads y.
                    let y = unsafe { self.y.read(at..at + run) };
                    // The leaf's first value, in all of its lanes.
                    for (shift, y) in minus_shift.as_chunks_mut::<4>().0.iter_mut().zip(y.as_chunks::<4>().0) {
                        *shift = [-y[0]; 4];
                    }
                }
                // SAFETY: the dispatch only reads y, where a whole vector may begin anywhere; scratch is padded.
                unsafe {
                    let y = self.y.at(at);
                    let mut i = 0;
                    while i < run {
                        let mut d = L::add(L::load(y.add(i)), L::load(minus_shift.as_ptr().add(i)));
                        if is_ragged {
                            d = L::mul(d, L::load(mask.as_ptr().add(i)));
                        }
                        let (sum, square) = (sums.as_mut_ptr().add(i), squares.as_mut_ptr().add(i));
                        L::store(sum, L::add(L::load(sum), d));
                        L::store(square, L::mac(d, d, L::load(square)));
                        i += L::N;
                    }
                }
            }
            lane_sums(sums, sums_of_leaves);
            lane_sums(squares, squares_of_leaves);
            finish::<L>(minus_shift, sums_of_leaves, squares_of_leaves, counts);
            in_pairs([sums_of_leaves, squares_of_leaves], pairs);
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

/// Mean and M2 of every vector of a run, borders included, from sums of distances and of their squares.
#[inline(always)]
fn finish<L: Lanes>(minus_shift: &[f32], sums: &mut [f32], squares: &mut [f32], counts: &[f32]) {
    let minus_shift = minus_shift.as_chunks::<4>().0;
    for (((sum, square), count), minus_shift) in sums.iter_mut().zip(squares).zip(counts).zip(minus_shift) {
        let offset = *sum / *count;
        let m2 = L::mac1(-*sum, offset, *square);
        *sum = offset - minus_shift[0];
        // NaN becomes 0, as on most GPUs; the mean shows it.
        *square = if m2 > 0.0 { m2 } else { 0.0 };
    }
}

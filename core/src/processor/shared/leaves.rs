//! The leaves of batch norm's sums (docs/ORDER.md). A leaf is 4 neighbouring pixels of a channel over a chunk of up to 32 images.
//! A twin adds images to the sums of a region in order and then writes its leaves.

use std::ops::Range;

use super::pieces::Pieces;
use super::planes::{PlaneLayout, Region, Regions, copy_rows};
use crate::processor::lanes::Lanes;
use crate::processor::memory::{Scratch, View};
use crate::processor::twin::Launch;

/// The leaves of all channels and chunks; a piece is several regions of a chunk.
pub struct Leaves {
    /// `[R][C][chunks][H][W / 4]` pairs.
    leaves: View<f32>,
    /// Regions of the planes of one sample.
    pub regions: Regions,
    /// Images in a chunk.
    images: usize,
    samples: usize,
    pieces: Pieces,
    slot: usize,
}

/// A twin that fills leaves.
pub trait FillsLeaves {
    /// Number of runs of a region to which each image is added. `rest` has as many for the twin's own use.
    const RUNS: usize;

    /// The leaves that the twin fills.
    fn leaves(&self) -> &Leaves;

    /// Adds images of one chunk, `(replica, samples)`, to the sums of a region. The first image of a chunk resets the sums, the last
    /// one turns them into leaves. Implementations are `#[inline(always)]`.
    fn add<L: Lanes>(&self, images: (usize, Range<usize>), region: &Region, sums: &mut [f32], rest: &mut [f32]);
}

impl Leaves {
    /// The leaves in binding `binding`.
    pub fn new<T: FillsLeaves>(launch: &Launch<'_>, binding: usize) -> Self {
        let planes = PlaneLayout::new(launch);
        let regions = Regions::new(planes, planes.channels, 1);
        let (samples, images) = (launch.samples(), launch.size("IMAGES"));
        // Floats that the twin reads: at most two runs for each image.
        let floats = (T::RUNS).min(2) * images.min(samples) * regions.scratch();
        Self {
            leaves: launch.floats(binding),
            regions,
            images,
            samples,
            pieces: Pieces::new(regions.count() * samples.div_ceil(images), floats),
            slot: launch.slot(),
        }
    }

    /// Number of pieces per replica.
    pub fn pieces(&self) -> usize {
        self.pieces.count()
    }

    /// Whether a chunk begins with these images.
    #[inline(always)]
    pub fn begins(&self, images: &Range<usize>) -> bool {
        images.start.is_multiple_of(self.images)
    }

    /// Number of images in the chunk, if it ends with these.
    #[inline(always)]
    pub fn ends(&self, images: &Range<usize>) -> Option<usize> {
        let ends = images.end.is_multiple_of(self.images) || images.end == self.samples;
        ends.then(|| images.end - (images.end - 1) / self.images * self.images)
    }

    /// Writes the leaves of a region for the chunk that ends with image `last`. `pairs` has two floats for each leaf, laid out
    /// as the region's run.
    #[inline(always)]
    pub fn write<L: Lanes>(&self, region: &Region, (replica, last): (usize, usize), pairs: &[f32]) {
        let PlaneLayout { channels, plane, row, height, .. } = self.regions.shape;
        let quads = self.regions.shape.quads();
        let (chunk, chunks) = (last / self.images, self.samples.div_ceil(self.images));
        for p in 0..region.planes {
            let channel = replica * channels + region.plane + p;
            let leaf = ((channel * chunks + chunk) * height + region.row) * quads;
            debug_assert!(2 * (leaf + region.rows * quads) <= self.leaves.len());
            // SAFETY: only the caller's piece accesses these leaves, and `pairs` is padded.
            unsafe {
                let to = (self.leaves.at(2 * leaf), 2 * quads);
                copy_rows::<L>((&raw const pairs[p * plane / 2], row / 2), to, region.rows, 2 * quads);
            }
        }
    }
}

/// Computes one piece of one replica.
#[inline(always)]
pub fn run<L: Lanes, T: FillsLeaves>(twin: &T, replica: usize, piece: usize, scratch: &mut Scratch) {
    let Leaves { regions, images, samples, pieces, .. } = twin.leaves();
    let length = T::RUNS * regions.scratch();
    let (sums, rest) = scratch.floats(2 * length).split_at_mut(length);
    for item in pieces.range(piece) {
        let (chunk, region) = (item / regions.count(), regions.get(item % regions.count()));
        let chunk = chunk * images..(*samples).min((chunk + 1) * images);
        twin.add::<L>((replica, chunk), &region, sums, rest);
    }
}

/// Computes some samples of one replica as a member of a sample loop, which keeps the sums of all regions.
#[inline(always)]
pub fn run_samples<L: Lanes, T: FillsLeaves>(twin: &T, replica: usize, samples: Range<usize>, scratch: &mut Scratch) {
    let Leaves { regions, images, slot, .. } = twin.leaves();
    let length = T::RUNS * regions.scratch();
    let [kept, rest] = scratch.kept_and_floats(*slot, regions.count() * length, length);
    let mut first = samples.start;
    while first < samples.end {
        let end = samples.end.min((first / images + 1) * images);
        for (region, sums) in regions.all().zip(kept.chunks_exact_mut(length)) {
            twin.add::<L>((replica, first..end), &region, sums, rest);
        }
        first = end;
    }
}

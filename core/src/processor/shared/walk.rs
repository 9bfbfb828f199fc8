//! How elementwise twins walk the planes of a replica: in pieces of several regions, or some samples at a time.

use std::ops::Range;

use super::pieces::Pieces;
use super::planes::{PlaneLayout, Region, Regions};
use crate::processor::lanes::Lanes;
use crate::processor::memory::Scratch;
use crate::processor::twin::{BySample, Launch};

/// The planes of all samples of a replica.
#[derive(Clone, Copy)]
pub struct Walk {
    /// Regions of the planes of one replica.
    pub regions: Regions,
    /// The number of rows in a region is a multiple of this.
    rows: usize,
    samples: usize,
    pieces: Pieces,
}

impl Walk {
    /// Walks over the planes of all samples. The number of rows in a region is a multiple of `rows`. The twin passes over `floats`
    /// floats for each float of a region.
    pub fn new(launch: &Launch<'_>, shape: PlaneLayout, rows: usize, floats: usize) -> Self {
        let samples = launch.samples();
        let regions = Regions::new(shape, samples * shape.channels, rows);
        Self { regions, rows, samples, pieces: Pieces::new(regions.count(), floats * regions.run()) }
    }

    /// Number of pieces per replica.
    pub fn pieces(&self) -> usize {
        self.pieces.count()
    }

    /// Index of a replica's first plane, counted from the first replica's first plane.
    #[inline(always)]
    pub fn first_plane(&self, replica: usize) -> usize {
        replica * self.samples * self.regions.shape.channels
    }

    /// The regions of a piece. Planes are counted from the replica's first sample.
    #[inline(always)]
    pub fn piece(&self, piece: usize) -> impl Iterator<Item = Region> {
        self.pieces.range(piece).map(|index| self.regions.get(index))
    }

    /// The regions of `count` samples. Planes are counted from the first of these samples.
    #[inline(always)]
    fn samples(&self, count: usize) -> impl Iterator<Item = Region> + use<> {
        let shape = self.regions.shape;
        Regions::new(shape, count * shape.channels, self.rows).all()
    }
}

/// A twin that computes one region after the other. It may be a member of a sample loop.
pub trait ByRegion: Send + Sync + 'static {
    /// The walk over the planes.
    fn walk(&self) -> &Walk;

    /// Computes regions whose planes are counted from `first`, a `(replica, sample)`. Implementations are `#[inline(always)]`.
    fn run_regions<L: Lanes>(
        &self,
        first: (usize, usize),
        regions: impl Iterator<Item = Region>,
        scratch: &mut Scratch,
    );
}

impl<T: ByRegion> BySample for T {
    #[inline(always)]
    fn run_samples<L: Lanes>(&self, replica: usize, samples: Range<usize>, scratch: &mut Scratch) {
        self.run_regions::<L>((replica, samples.start), self.walk().samples(samples.len()), scratch);
    }
}

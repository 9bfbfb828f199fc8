//! Planes as twins walk them. A *run* goes from one pixel of a plane to a later one, of the same plane or of one behind
//! it, with all that lies between, borders included: it is contiguous, so it is computed in whole vectors into scratch,
//! whatever the width, and the rows of pixels are copied from there. A *region* is what is done at a time.

use crate::processor::lanes::Lanes;
use crate::processor::memory::View;
use crate::processor::twin::Launch;

/// Floats of a run that several of stay in the first cache. Runs are longer only where a single row is.
const RUN: usize = 1536;

/// Scratch is padded to a multiple of this, so that loops over it have no remainder in any vector width.
const UNROLL: usize = 64;

/// Images whose pixels are added to the sums of a region in turn, while the sums stay in registers.
pub const IMAGES_AT_ONCE: usize = 4;

/// Floats of the widest vector, which may begin at any place of a run.
const WIDEST: usize = 16;

/// Shape of the planes of a tensor. Distances are in floats.
#[derive(Clone, Copy)]
pub struct Planes {
    /// C
    pub channels: usize,
    /// H
    pub height: usize,
    /// W
    pub width: usize,
    /// From a row to the next.
    pub row: usize,
    /// From a plane to the next.
    pub plane: usize,
}

impl Planes {
    /// Constants C, HEIGHT, WIDTH, ROW and PLANE.
    pub fn new(launch: &Launch<'_>) -> Self {
        Self {
            channels: launch.size("C"),
            height: launch.size("HEIGHT"),
            width: launch.size("WIDTH"),
            row: launch.size("ROW") * 4,
            plane: launch.size("PLANE") * 4,
        }
    }

    /// Floats of a row that kernels write: its pixels, filled up to whole vectors.
    #[inline(always)]
    pub fn across(&self) -> usize {
        self.row - 4
    }

    /// Vectors of pixels in a row.
    #[inline(always)]
    pub fn quads(&self) -> usize {
        self.across() / 4
    }

    /// Pixels that the last vector of a row has too many.
    #[inline(always)]
    pub fn excess(&self) -> usize {
        self.across() - self.width
    }

    /// Where a row's pixels begin.
    #[inline(always)]
    pub fn start(&self, plane: usize, row: usize) -> usize {
        plane * self.plane + (row + 1) * self.row + 4
    }
}

/// A tensor `[R][N]` of planes. In a sample loop it may be a ring that holds only the samples at hand.
#[derive(Clone, Copy)]
pub struct Tensor {
    view: View<f32>,
    /// Floats from a sample to the next.
    sample: usize,
    /// Floats from a replica to the next; 0 where all replicas share it.
    replica: usize,
    /// Samples of a replica that there is room for.
    samples: usize,
}

impl Tensor {
    /// `sample` floats for each of `samples` samples.
    pub fn new(view: View<f32>, sample: usize, samples: usize) -> Self {
        Self { view, sample, replica: sample * samples, samples: samples.max(1) }
    }

    /// The same, shared by all replicas.
    pub fn shared(self) -> Self {
        Self { replica: 0, ..self }
    }

    /// Floats from a sample to the next.
    #[inline(always)]
    pub fn step(&self) -> usize {
        self.sample
    }

    /// Where a sample begins. The samples of a group lie one after the other.
    #[inline(always)]
    pub fn start(&self, replica: usize, sample: usize) -> usize {
        let at = if sample < self.samples { sample } else { sample % self.samples };
        replica * self.replica + at * self.sample
    }
}

impl std::ops::Deref for Tensor {
    type Target = View<f32>;

    fn deref(&self) -> &View<f32> {
        &self.view
    }
}

/// Floats of scratch for so many, padded for whole vectors at any place and for loops without a remainder.
#[inline(always)]
pub fn scratch(floats: usize) -> usize {
    (floats + WIDEST).next_multiple_of(UNROLL)
}

/// Scratch in parts. A compiler that saw how they lie to each other would compare distances, which it does not know,
/// and give up on vectors; one that does not see it asks at run time whether they overlap.
#[inline(always)]
pub fn parts<const N: usize>(scratch: &mut [f32], lengths: [usize; N]) -> [&mut [f32]; N] {
    let mut rest = scratch;
    lengths.map(|length| {
        let (part, behind) = std::mem::take(&mut rest).split_at_mut(length);
        rest = behind;
        std::hint::black_box(part)
    })
}

/// A number of planes, cut into regions whose runs fit the first cache: several planes, or some rows of one.
#[derive(Clone, Copy)]
pub struct Regions {
    /// Their shape.
    pub shape: Planes,
    count: usize,
    planes: usize,
    rows: usize,
    bands: usize,
}

impl Regions {
    /// `count` planes. Regions have a multiple of `rows` rows.
    pub fn new(shape: Planes, count: usize, rows: usize) -> Self {
        let (planes, rows) = if shape.height * shape.row <= RUN {
            ((RUN / shape.plane).clamp(1, count.max(1)), shape.height)
        } else {
            (1, (RUN / shape.row / rows * rows).clamp(rows, shape.height))
        };
        Self { shape, count, planes, rows, bands: shape.height.div_ceil(rows) }
    }

    /// Number of regions.
    pub fn count(&self) -> usize {
        self.count.div_ceil(self.planes) * self.bands
    }

    /// Floats of the run of a region.
    pub fn run(&self) -> usize {
        (self.planes - 1) * self.shape.plane + self.rows * self.shape.row - 4
    }

    /// Floats of scratch for the run of a region.
    pub fn scratch(&self) -> usize {
        scratch(self.run())
    }

    /// All of them.
    #[inline(always)]
    pub fn all(&self) -> impl Iterator<Item = Region> + use<> {
        let regions = *self;
        (0..self.count()).map(move |index| regions.get(index))
    }

    /// One of them.
    #[inline(always)]
    pub fn get(&self, index: usize) -> Region {
        let (plane, row) = (index / self.bands * self.planes, index % self.bands * self.rows);
        Region {
            shape: self.shape,
            plane,
            planes: self.planes.min(self.count - plane),
            row,
            rows: self.rows.min(self.shape.height - row),
        }
    }
}

/// Rows `row .. row + rows` of planes `plane .. plane + planes`; all rows where there are several planes.
#[derive(Clone, Copy)]
pub struct Region {
    /// Of the planes.
    pub shape: Planes,
    /// The first one.
    pub plane: usize,
    /// How many.
    pub planes: usize,
    /// The first one.
    pub row: usize,
    /// How many.
    pub rows: usize,
}

impl Region {
    /// Floats from one plane's first pixel to its last.
    #[inline(always)]
    pub fn plane_run(&self) -> usize {
        self.rows * self.shape.row - 4
    }

    /// Floats from the region's first pixel to its last.
    #[inline(always)]
    pub fn run(&self) -> usize {
        (self.planes - 1) * self.shape.plane + self.plane_run()
    }

    /// Where the region begins if the first plane of all is `first`.
    #[inline(always)]
    pub fn start(&self, first: usize) -> usize {
        self.shape.start(first + self.plane, self.row)
    }

    /// Rows of pixels that fill a vector between them (1, 2 or 4; 1 also where a row fills several), or 0 where no number of
    /// rows does.
    #[inline(always)]
    pub fn rows_of_vector<L: Lanes>(&self) -> usize {
        let rows = if self.shape.width.is_multiple_of(L::N) { 1 } else { L::N / self.shape.width.max(1) };
        let is_whole = rows > 0 && (rows * self.shape.width).is_multiple_of(L::N) && rows * 4 <= L::N;
        if is_whole && self.rows.is_multiple_of(rows) { rows } else { 0 }
    }

    /// Multiplies by 0 what fills up the rows of a run.
    #[inline(always)]
    pub fn mask(&self, run: &mut [f32]) {
        let Planes { width, row, plane, .. } = self.shape;
        if self.shape.excess() > 0 {
            for p in 0..self.planes {
                for h in 0..self.rows {
                    let at = p * plane + h * row;
                    for value in &mut run[at + width..at + self.shape.across()] {
                        *value *= 0.0;
                    }
                }
            }
        }
    }

    /// Writes the rows of a run, from `at` of `to` on.
    ///
    /// # Safety
    /// The machine has the instruction set, `run` is padded by [`scratch`], and nobody else touches these rows of `to`.
    #[inline(always)]
    pub unsafe fn store<L: Lanes>(&self, run: &[f32], to: &View<f32>, at: usize) {
        debug_assert!(self.run() <= run.len() && at + self.run() <= to.len());
        let Planes { row, plane, .. } = self.shape;
        // SAFETY: the rows lie inside `to`; the rest is the caller's.
        unsafe {
            for p in 0..self.planes {
                let (from, to) = (run.as_ptr().add(p * plane), to.at(at + p * plane));
                copy_rows::<L>((from, row), (to, row), self.rows, self.shape.across());
            }
        }
    }
}

/// Copies rows of `across` floats; each side is where it begins and how far apart its rows are.
///
/// # Safety
/// The machine has the instruction set; a whole vector may be read at every place of a row; the rows may be written.
#[inline(always)]
pub unsafe fn copy_rows<L: Lanes>(from: (*const f32, usize), to: (*mut f32, usize), rows: usize, across: usize) {
    for row in 0..rows {
        // SAFETY: the caller's.
        unsafe {
            let (from, to) = (from.0.add(row * from.1), to.0.add(row * to.1));
            let mut i = 0;
            while i + L::N <= across {
                L::store(to.add(i), L::load(from.add(i)));
                i += L::N;
            }
            if i < across {
                L::store_first(to.add(i), across - i, L::load(from.add(i)));
            }
        }
    }
}

//! How twins walk over planes. A *run* is the contiguous memory from one pixel to a later one, of the same plane or of a
//! later plane, borders included. A twin computes it into scratch in whole vectors, whatever the width, and copies the
//! rows of pixels from there. A *region* is the part of the planes that is computed at a time.

use crate::processor::lanes::Lanes;
use crate::processor::memory::View;
use crate::processor::twin::Launch;

/// Floats in a run, few enough that several runs fit the L1 cache. A run is longer only if a single row is.
const RUN: usize = 1536;

/// Scratch is padded to a multiple of this, so that loops over it have no remainder at any vector width.
const UNROLL: usize = 64;

/// Images whose pixels are added to the sums of a region, in order, while the sums stay in registers.
pub const IMAGES_AT_ONCE: usize = 4;

/// Floats in the widest vector, which may begin at any float of a run.
const WIDEST: usize = 16;

/// Shape of the planes of a tensor.
#[derive(Clone, Copy)]
pub struct PlaneLayout {
    /// Channels C.
    pub channels: usize,
    /// Height H in pixels.
    pub height: usize,
    /// Width W in pixels.
    pub width: usize,
    /// Floats from a row to the next.
    pub row: usize,
    /// Floats from a plane to the next.
    pub plane: usize,
}

impl PlaneLayout {
    /// Reads the constants C, HEIGHT, WIDTH, ROW and PLANE.
    pub fn new(launch: &Launch<'_>) -> Self {
        Self {
            channels: launch.size("C"),
            height: launch.size("HEIGHT"),
            width: launch.size("WIDTH"),
            row: launch.size("ROW") * 4,
            plane: launch.size("PLANE") * 4,
        }
    }

    /// Floats of a row that kernels write: its pixels, padded to whole vectors of four.
    #[inline(always)]
    pub fn across(&self) -> usize {
        self.row - 4
    }

    /// Vectors of four pixels in a row.
    #[inline(always)]
    pub fn quads(&self) -> usize {
        self.across() / 4
    }

    /// Floats of a row's last vector that lie beyond the width.
    #[inline(always)]
    pub fn excess(&self) -> usize {
        self.across() - self.width
    }

    /// Index of a row's first pixel, in floats.
    #[inline(always)]
    pub fn start(&self, plane: usize, row: usize) -> usize {
        plane * self.plane + (row + 1) * self.row + 4
    }
}

/// Length of scratch for `floats` floats, padded for whole vectors at any float and for loops without a remainder.
#[inline(always)]
pub fn scratch(floats: usize) -> usize {
    (floats + WIDEST).next_multiple_of(UNROLL)
}

/// Splits scratch into parts. `black_box` hides how they lie relative to each other: otherwise the compiler compares
/// distances that it does not know and gives up on vectors. With it, the code checks at run time whether they overlap.
#[inline(always)]
pub fn parts<const N: usize>(scratch: &mut [f32], lengths: [usize; N]) -> [&mut [f32]; N] {
    let mut rest = scratch;
    lengths.map(|length| {
        let (part, behind) = std::mem::take(&mut rest).split_at_mut(length);
        rest = behind;
        std::hint::black_box(part)
    })
}

/// Planes, split into regions whose runs fit the L1 cache: several planes, or some rows of one plane.
#[derive(Clone, Copy)]
pub struct Regions {
    /// Shape of the planes.
    pub shape: PlaneLayout,
    count: usize,
    planes: usize,
    rows: usize,
    bands: usize,
}

impl Regions {
    /// Splits `count` planes. The number of rows in a region is a multiple of `rows`.
    pub fn new(shape: PlaneLayout, count: usize, rows: usize) -> Self {
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

    /// Floats in the run of a full region.
    pub fn run(&self) -> usize {
        (self.planes - 1) * self.shape.plane + self.rows * self.shape.row - 4
    }

    /// Length of scratch for the run of a region.
    pub fn scratch(&self) -> usize {
        scratch(self.run())
    }

    /// All regions.
    #[inline(always)]
    pub fn all(&self) -> impl Iterator<Item = Region> + use<> {
        let regions = *self;
        (0..self.count()).map(move |index| regions.get(index))
    }

    /// The region with this index.
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

/// Rows `row .. row + rows` of planes `plane .. plane + planes`; all rows if there are several planes.
#[derive(Clone, Copy)]
pub struct Region {
    /// Shape of the planes.
    pub shape: PlaneLayout,
    /// First plane.
    pub plane: usize,
    /// Number of planes.
    pub planes: usize,
    /// First row.
    pub row: usize,
    /// Number of rows.
    pub rows: usize,
}

impl Region {
    /// Floats from the region's first pixel in a plane to its last.
    #[inline(always)]
    pub fn plane_run(&self) -> usize {
        self.rows * self.shape.row - 4
    }

    /// Floats from the region's first pixel to its last.
    #[inline(always)]
    pub fn run(&self) -> usize {
        (self.planes - 1) * self.shape.plane + self.plane_run()
    }

    /// Index of the region's first pixel, in floats, if its planes are counted from plane `first`.
    #[inline(always)]
    pub fn start(&self, first: usize) -> usize {
        self.shape.start(first + self.plane, self.row)
    }

    /// Number of rows whose pixels together fill a vector (1, 2 or 4; 1 also if a row fills several vectors), or 0 if no number
    /// of rows does.
    #[inline(always)]
    pub fn rows_of_vector<L: Lanes>(&self) -> usize {
        let rows = if self.shape.width.is_multiple_of(L::N) { 1 } else { L::N / self.shape.width.max(1) };
        let is_whole = rows > 0 && (rows * self.shape.width).is_multiple_of(L::N) && rows * 4 <= L::N;
        if is_whole && self.rows.is_multiple_of(rows) { rows } else { 0 }
    }

    /// Multiplies the padding of each row of a run by 0.
    #[inline(always)]
    pub fn mask(&self, run: &mut [f32]) {
        let PlaneLayout { width, row, plane, .. } = self.shape;
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

    /// Copies the rows of a run to `to`, from index `at` on.
    ///
    /// # Safety
    /// The machine must support the instruction set, `run` must be padded by [`scratch`], and nothing else may access these rows of
    /// `to`.
    #[inline(always)]
    pub unsafe fn store<L: Lanes>(&self, run: &[f32], to: &View<f32>, at: usize) {
        debug_assert!(self.run() <= run.len() && at + self.run() <= to.len());
        let PlaneLayout { row, plane, .. } = self.shape;
        // SAFETY: the rows lie inside `to`; the caller upholds the rest.
        unsafe {
            for p in 0..self.planes {
                let (from, to) = (run.as_ptr().add(p * plane), to.at(at + p * plane));
                copy_rows::<L>((from, row), (to, row), self.rows, self.shape.across());
            }
        }
    }
}

/// Copies rows of `across` floats. Each side is `(address of the first row, floats from a row to the next)`.
///
/// # Safety
/// The machine must support the instruction set, a whole vector must be readable at every float of a row, and the rows of `to`
/// must be writable.
#[inline(always)]
pub unsafe fn copy_rows<L: Lanes>(from: (*const f32, usize), to: (*mut f32, usize), rows: usize, across: usize) {
    for row in 0..rows {
        // SAFETY: upheld by the caller.
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

//! Twin of shaders/conv1x1_forward.wgsl: 1x1 convolution, stride 1, or its gradient by the input. Order: c in turn.
//!
//! A tile of a few output channels x three vectors of pixels stays in registers over all input channels. A vector lies along a row, or
//! covers several rows of a narrow image.

#![allow(clippy::needless_range_loop, reason = "an index that several arrays of registers share")]

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::planes::PlaneLayout;
use super::twin::{Launch, Twin};

/// Vectors of pixels in a tile.
const VECTORS: usize = 3;

/// A piece should have at least this many multiply-adds.
const PIECE: usize = 1_000_000;

/// One dispatch of `conv1x1_forward`. A piece is some samples.
pub struct Conv1x1Forward {
    x: View<f32>,
    packed: View<f32>,
    y: View<f32>,
    samples: usize,
    samples_of_piece: usize,
    /// Input channels C.
    inputs: usize,
    /// Planes of y.
    planes: PlaneLayout,
    packed_stride: usize,
    accumulate: bool,
    /// 1 in columns of the image and 0 beyond, for all columns that a row's vectors may cover.
    mask: Vec<f32>,
}

/// Where a tile's vectors begin, relative to a plane's first pixel, and how many of its floats are stored.
#[derive(Clone, Copy)]
struct Place {
    offset: usize,
    column: usize,
    count: usize,
}

impl Twin for Conv1x1Forward {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = PlaneLayout { channels: launch.size("K"), ..PlaneLayout::new(launch) };
        let (inputs, samples) = (launch.size("C"), launch.samples());
        let of_sample = inputs * planes.channels * planes.height * planes.width;
        Self {
            x: launch.floats(0),
            packed: launch.floats(1),
            y: launch.floats(2),
            samples,
            samples_of_piece: PIECE.div_ceil(of_sample.max(1)),
            inputs,
            planes,
            packed_stride: launch.job().packed_stride as usize,
            accumulate: launch.flag("ACCUMULATE"),
            mask: (0..planes.row + 16).map(|column| f32::from(u8::from(column < planes.width))).collect(),
        }
    }

    fn pieces(&self) -> usize {
        self.samples.div_ceil(self.samples_of_piece)
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _: &mut Scratch) {
        let first = piece * self.samples_of_piece;
        for sample in first..self.samples.min(first + self.samples_of_piece) {
            let sample = replica * self.samples + sample;
            // SAFETY: pieces write different samples of y and only read the rest.
            unsafe {
                // A vector covers 2 or 4 rows if they fill it exactly.
                if self.planes.across() * 2 == L::N {
                    self.sample::<L, 2>(replica, sample);
                } else if self.planes.across() * 4 == L::N {
                    self.sample::<L, 4>(replica, sample);
                } else {
                    self.sample::<L, 1>(replica, sample);
                }
            }
        }
    }
}

impl Conv1x1Forward {
    /// Computes a sample in vectors of ROWS rows; rows that are left over, one by one.
    #[inline(always)]
    unsafe fn sample<L: Lanes, const ROWS: usize>(&self, replica: usize, sample: usize) {
        let whole = if ROWS == 1 { 0 } else { self.planes.height / ROWS * ROWS };
        // SAFETY: upheld by the caller.
        unsafe {
            self.rows::<L, ROWS>(replica, sample, 0, if ROWS == 1 { self.planes.height } else { whole });
            if ROWS > 1 {
                self.rows::<L, 1>(replica, sample, whole, self.planes.height);
            }
        }
    }

    /// Computes rows `first..end` of a sample in vectors of ROWS rows.
    #[inline(always)]
    unsafe fn rows<L: Lanes, const ROWS: usize>(&self, replica: usize, sample: usize, first: usize, end: usize) {
        let across = self.planes.across();
        let of_row = if ROWS == 1 { across.div_ceil(L::N) } else { 1 };
        let vectors = (end - first) / ROWS * of_row;
        let mut vector = 0;
        while vector < vectors {
            let mut places = [Place { offset: 0, column: 0, count: 0 }; VECTORS];
            for (i, place) in places.iter_mut().enumerate() {
                // Beyond the last vector, it is computed again and not stored.
                let at = (vector + i).min(vectors - 1);
                let column = at % of_row * L::N;
                let count = if vector + i < vectors { (across * ROWS - column).min(L::N) } else { 0 };
                *place = Place { offset: (first + at / of_row * ROWS) * self.planes.row + column, column, count };
            }
            let mut k = 0;
            while k < self.planes.channels {
                // SAFETY: upheld by the caller.
                unsafe {
                    if L::REGISTERS >= 32 && k + 4 < self.planes.channels {
                        self.tile::<L, ROWS, 2>(replica, sample, k, places);
                        k += 8;
                    } else {
                        self.tile::<L, ROWS, 1>(replica, sample, k, places);
                        k += 4;
                    }
                }
            }
            vector += VECTORS;
        }
    }

    /// Computes GROUPS groups of four output channels from `k` on.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const ROWS: usize, const GROUPS: usize>(
        &self,
        replica: usize,
        sample: usize,
        k: usize,
        places: [Place; VECTORS],
    ) {
        let PlaneLayout { channels, row, plane, .. } = self.planes;
        // SAFETY: upheld by the caller; a vector may reach beyond a row, and these lanes are not written.
        unsafe {
            let mut at =
                places.map(|place| self.x.at(sample * self.inputs * plane + row + 4 + place.offset).cast_const());
            let mut weights: [*const f32; GROUPS] = std::array::from_fn(|g| {
                self.packed.at(replica * self.packed_stride + (k / 4 + g) * self.inputs * 4).cast_const()
            });
            let mut sums = [[[L::splat(0.0); VECTORS]; 4]; GROUPS];
            for _ in 0..self.inputs {
                let mut pixels = [L::splat(0.0); VECTORS];
                for i in 0..VECTORS {
                    pixels[i] = L::load_rows::<ROWS>(at[i], row);
                    at[i] = at[i].wrapping_add(plane);
                }
                for g in 0..GROUPS {
                    for j in 0..4 {
                        let weight = L::splat(*weights[g].add(j));
                        for i in 0..VECTORS {
                            sums[g][j][i] = L::mac(weight, pixels[i], sums[g][j][i]);
                        }
                    }
                    weights[g] = weights[g].add(4);
                }
            }
            for (k, sums) in (k..channels).zip(sums.into_iter().flatten()) {
                let to = (sample * channels + k) * plane + row + 4;
                for (value, place) in sums.into_iter().zip(places) {
                    self.store::<L, ROWS>(value, to + place.offset, place);
                }
            }
        }
    }

    /// Stores a vector of y.
    #[inline(always)]
    unsafe fn store<L: Lanes, const ROWS: usize>(
        &self,
        mut value: L::V,
        to: usize,
        Place { column, count, .. }: Place,
    ) {
        // SAFETY: upheld by the caller.
        unsafe {
            if count == 0 {
                return;
            }
            let row = self.planes.row;
            let to = self.y.at(to);
            if self.planes.excess() > 0 {
                let mask = if ROWS == 1 {
                    L::load(self.mask.as_ptr().add(column))
                } else {
                    L::load_rows::<ROWS>(self.mask.as_ptr(), 0)
                };
                value = L::mul(value, mask);
            }
            if self.accumulate {
                value = L::add(value, L::load_rows::<ROWS>(to, row));
            }
            if count == L::N {
                L::store_rows::<ROWS>(to, row, value);
            } else {
                L::store_first(to, count, value);
            }
        }
    }
}

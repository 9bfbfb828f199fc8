//! Twin of shaders/conv_valid_forward.wgsl: valid convolution of one channel with one large kernel.
//!
//! Order: kh, then kw, including the zeros that pad a row of the kernel. A tile of rows stays in registers. A row of x
//! is used for each row of the tile, with the kernel row that meets it there, so each row of the tile still takes the
//! kernel rows in turn.

#![allow(clippy::needless_range_loop, reason = "an index that several arrays of registers share")]

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::twin::{Launch, Twin};

/// Rows in a tile.
const ROWS: usize = 4;
/// Rows in a piece.
const BAND: usize = 32;

/// One dispatch of `conv_valid_forward`: the convolution of the one-layer network.
pub struct ConvValidForward {
    x: View<f32>,
    w: View<f32>,
    y: View<f32>,
    samples: usize,
    height: usize,
    width: usize,
    kernel: usize,
    x_row: usize,
    x_plane: usize,
    y_row: usize,
    y_plane: usize,
    parameter_stride: usize,
    /// 1 in columns of the image and 0 beyond.
    mask: Vec<f32>,
}

impl Twin for ConvValidForward {
    fn new(launch: &Launch<'_>) -> Self {
        let (width, y_row) = (launch.size("WIDTH"), launch.size("Y_ROW") * 4);
        Self {
            x: launch.floats(0),
            w: launch.floats(1),
            y: launch.floats(2),
            samples: launch.samples(),
            height: launch.size("HEIGHT"),
            width,
            kernel: launch.size("KERNEL"),
            x_row: launch.size("X_ROW") * 4,
            x_plane: launch.size("X_PLANE") * 4,
            y_row,
            y_plane: launch.size("Y_PLANE") * 4,
            parameter_stride: launch.job().parameter_stride as usize,
            mask: (0..y_row + 16).map(|column| f32::from(u8::from(column < width))).collect(),
        }
    }

    fn pieces(&self) -> usize {
        self.samples * self.height.div_ceil(BAND)
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _scratch: &mut Scratch) {
        let bands = self.height.div_ceil(BAND);
        let (sample, first) = (piece / bands, piece % bands * BAND);
        for row in (first..(first + BAND).min(self.height)).step_by(ROWS) {
            let end = (row + ROWS).min(first + BAND).min(self.height);
            // SAFETY: the machine has the instruction set; pieces write different rows of y and only read the rest.
            unsafe {
                if L::REGISTERS >= 32 {
                    self.rows::<L, 4>(replica, sample, row..end);
                } else {
                    self.rows::<L, 2>(replica, sample, row..end);
                }
            }
        }
    }
}

impl ConvValidForward {
    #[inline(always)]
    unsafe fn rows<L: Lanes, const X: usize>(&self, replica: usize, sample: usize, rows: std::ops::Range<usize>) {
        let columns = self.y_row - 4;
        let taps = self.kernel.next_multiple_of(4);
        for column in (0..columns).step_by(X * L::N) {
            let x = self.x.at(sample * self.x_plane + (rows.start + 1) * self.x_row + 4 + column).cast_const();
            let w = self.w.at(replica * self.parameter_stride).cast_const();
            // SAFETY: reads beyond the last row or column fall into the rows that follow every buffer of planes; their
            // results are not written.
            unsafe {
                let mut sums = [[L::splat(0.0); X]; ROWS];
                for row in 0..self.kernel + ROWS - 1 {
                    let x = x.add(row * self.x_row);
                    if row + 1 >= ROWS && row < self.kernel {
                        let w = w.add((row + 1 - ROWS) * taps);
                        for kw in 0..taps {
                            let mut pixels = [L::splat(0.0); X];
                            for (v, pixels) in pixels.iter_mut().enumerate() {
                                *pixels = L::load(x.add(kw + v * L::N));
                            }
                            for i in 0..ROWS {
                                let weight = L::splat(*w.add((ROWS - 1 - i) * taps + kw));
                                for v in 0..X {
                                    sums[i][v] = L::mac(weight, pixels[v], sums[i][v]);
                                }
                            }
                        }
                        continue;
                    }
                    // The kernel's first and last rows miss some rows of the tile.
                    for i in 0..ROWS {
                        if row >= i && row - i < self.kernel {
                            let w = w.add((row - i) * taps);
                            for kw in 0..taps {
                                let weight = L::splat(*w.add(kw));
                                for v in 0..X {
                                    sums[i][v] = L::mac(weight, L::load(x.add(kw + v * L::N)), sums[i][v]);
                                }
                            }
                        }
                    }
                }
                for i in 0..ROWS {
                    if rows.start + i >= rows.end {
                        break;
                    }
                    let to = (replica * self.samples + sample) * self.y_plane + (rows.start + i + 1) * self.y_row + 4;
                    for v in 0..X {
                        let column = column + v * L::N;
                        if column >= columns {
                            break;
                        }
                        let mut value = sums[i][v];
                        if column + L::N > self.width {
                            value = L::mul(value, L::load(self.mask.as_ptr().add(column)));
                        }
                        if column + L::N <= columns {
                            L::store(self.y.at(to + column), value);
                        } else {
                            L::store_first(self.y.at(to + column), columns - column, value);
                        }
                    }
                }
            }
        }
    }
}

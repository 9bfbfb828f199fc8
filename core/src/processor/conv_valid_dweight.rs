//! Twin of shaders/conv_valid_dweight.wgsl: the kernel gradient of the valid convolution, one partial sum for each row
//! of dy and image.
//!
//! Order: w in turn, including the zeros that pad a row of dy. Row h + kh of x meets row h of dy. Each such pair of rows
//! gives row kh of the kernel in partial sum h.

#![allow(clippy::needless_range_loop, reason = "an index that several arrays of registers share")]

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::twin::{Launch, Twin};

/// Rows of x in a piece.
const BAND: usize = 16;

/// One dispatch of `conv_valid_dweight`: the gradient of the one-layer network.
pub struct ConvValidDweight {
    x: View<f32>,
    dy: View<f32>,
    partial: View<f32>,
    samples: usize,
    height: usize,
    kernel: usize,
    x_row: usize,
    x_plane: usize,
    y_row: usize,
    y_plane: usize,
    /// 1 in columns of the kernel and 0 beyond.
    mask: Vec<f32>,
}

/// Rows of dy that a row of x meets.
struct Rows {
    replica: usize,
    sample: usize,
    x_row: usize,
    first: usize,
    count: usize,
}

impl Twin for ConvValidDweight {
    fn new(launch: &Launch<'_>) -> Self {
        let kernel = launch.size("KERNEL");
        Self {
            x: launch.floats(0),
            dy: launch.floats(1),
            partial: launch.floats(2),
            samples: launch.samples(),
            height: launch.size("HEIGHT"),
            kernel,
            x_row: launch.size("X_ROW") * 4,
            x_plane: launch.size("X_PLANE") * 4,
            y_row: launch.size("Y_ROW") * 4,
            y_plane: launch.size("Y_PLANE") * 4,
            mask: (0..kernel + 32).map(|column| f32::from(u8::from(column < kernel))).collect(),
        }
    }

    fn pieces(&self) -> usize {
        self.samples * (self.height + self.kernel - 1).div_ceil(BAND)
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _scratch: &mut Scratch) {
        let x_rows = self.height + self.kernel - 1;
        let bands = x_rows.div_ceil(BAND);
        let (sample, band) = (piece / bands, piece % bands * BAND);
        for x_row in band..(band + BAND).min(x_rows) {
            let end = (x_row + 1).min(self.height);
            let at_once = if L::REGISTERS >= 32 { 8 } else { 4 };
            for first in ((x_row + 1).saturating_sub(self.kernel)..end).step_by(at_once) {
                let rows = Rows { replica, sample, x_row, first, count: at_once.min(end - first) };
                // SAFETY: the machine has the instruction set; pieces write different pairs of rows and only read the
                // rest.
                unsafe {
                    if L::REGISTERS >= 32 {
                        self.rows::<L, 8>(&rows);
                    } else {
                        self.rows::<L, 4>(&rows);
                    }
                }
            }
        }
    }
}

impl ConvValidDweight {
    #[inline(always)]
    unsafe fn rows<L: Lanes, const R: usize>(&self, rows: &Rows) {
        let columns = self.kernel.next_multiple_of(4);
        let mut column = 0;
        while column < columns {
            // SAFETY: upheld by the caller.
            unsafe {
                if columns - column > L::N {
                    self.tile::<L, R, 2>(rows, column);
                } else {
                    self.tile::<L, R, 1>(rows, column);
                }
            }
            column += 2 * L::N;
        }
    }

    #[inline(always)]
    unsafe fn tile<L: Lanes, const R: usize, const X: usize>(&self, rows: &Rows, column: usize) {
        let columns = self.kernel.next_multiple_of(4);
        let sample = rows.replica * self.samples + rows.sample;
        let x = self.x.at(rows.sample * self.x_plane + (rows.x_row + 1) * self.x_row + 4 + column).cast_const();
        let mut dy = [std::ptr::null::<f32>(); R];
        for (i, dy) in dy.iter_mut().enumerate() {
            // Beyond the last row, the last one is computed again and not written.
            let h = rows.first + i.min(rows.count - 1);
            *dy = self.dy.at(sample * self.y_plane + (h + 1) * self.y_row + 4);
        }
        // SAFETY: reads beyond a row of x fall into the rows that follow; their results are not written.
        unsafe {
            let mut sums = [[L::splat(0.0); X]; R];
            for w in 0..self.y_row - 4 {
                let mut pixels = [L::splat(0.0); X];
                for (v, pixels) in pixels.iter_mut().enumerate() {
                    *pixels = L::load(x.add(w + v * L::N));
                }
                for i in 0..R {
                    let d = L::splat(*dy[i].add(w));
                    for v in 0..X {
                        sums[i][v] = L::mac(d, pixels[v], sums[i][v]);
                    }
                }
            }
            for i in 0..R {
                if i >= rows.count {
                    break;
                }
                let h = rows.first + i;
                let to = ((sample * self.height + h) * self.kernel + rows.x_row - h) * columns;
                for v in 0..X {
                    let column = column + v * L::N;
                    let value = L::mul(sums[i][v], L::load(self.mask.as_ptr().add(column)));
                    L::store_first(self.partial.at(to + column), (columns - column).min(L::N), value);
                }
            }
        }
    }
}

//! Twin of shaders/max_pool_forward.wgsl: 2x2 max pool, stride 2.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::shared::planes::{Planes, Region, copy_rows, parts};
use super::shared::window::{Windows, apart, window_max};
use super::twin::{Launch, Twin};

/// The dispatch; a piece is several regions.
pub struct MaxPoolForward {
    x: View<f32>,
    y: View<f32>,
    windows: Windows,
    count: usize,
    pieces: Pieces,
}

impl Twin for MaxPoolForward {
    fn new(launch: &Launch<'_>) -> Self {
        let windows = Windows::new(launch);
        Self {
            x: launch.floats(0),
            y: launch.floats(1),
            windows,
            count: launch.samples() * windows.y.channels,
            pieces: Pieces::new(windows.regions.count(), 2 * windows.regions.run()),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let Windows { regions, y } = &self.windows;
        // Rows of x are half as long where even and odd columns lie apart.
        let Planes { row, plane, .. } = regions.shape;
        let length = self.windows.scratch();
        let [even, odd, most] = parts(scratch.floats(3 * length), [length; 3]);
        let first = replica * self.count;
        for region in self.pieces.range(piece).map(|index| regions.get(index)) {
            let at = region.start(first);
            // SAFETY: the dispatch only reads x.
            apart(unsafe { self.x.read(at..at + self.windows.run(&region)) }, even, odd);
            let count = self.windows.count(&region);
            let tops = even[..count].iter().zip(&odd[..count]);
            let bottoms = even[row / 2..][..count].iter().zip(&odd[row / 2..][..count]);
            for ((most, (a, b)), (c, d)) in most[..count].iter_mut().zip(tops).zip(bottoms) {
                *most = window_max([*a, *b, *c, *d]);
            }
            let of_y = Region { shape: *y, row: region.row / 2, rows: region.rows / 2, ..region };
            for p in 0..region.planes {
                let most = &mut most[p * plane / 2..];
                for h in 0..of_y.rows {
                    for value in &mut most[h * row + y.width..h * row + y.across()] {
                        *value *= 0.0;
                    }
                }
                let to = (self.y.at(of_y.start(first) + p * y.plane), y.row);
                // SAFETY: this piece alone has these rows of y, and scratch is padded.
                unsafe { copy_rows::<L>((most.as_ptr(), row), to, of_y.rows, y.across()) };
            }
        }
    }
}

//! Twin of shaders/max_pool_forward.wgsl: 2x2 max pool, stride 2.

use super::lanes::Lanes;
use super::memory::Scratch;
use super::shared::planes::{PlaneLayout, Region, copy_rows, parts};
use super::shared::tensor::Tensor;
use super::shared::walk::{ByRegion, Walk};
use super::shared::window::{Windows, apart, window_max};
use super::twin::{Launch, Twin};

/// One dispatch of `max_pool_forward`. A piece is several regions.
pub struct MaxPoolForward {
    x: Tensor,
    y: Tensor,
    windows: Windows,
}

impl Twin for MaxPoolForward {
    fn new(launch: &Launch<'_>) -> Self {
        let windows = Windows::new(launch);
        let [of_x, of_y] = windows.samples();
        Self { x: launch.tensor(0, of_x), y: launch.tensor(1, of_y), windows }
    }

    fn pieces(&self) -> usize {
        self.windows.walk.pieces()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        self.run_regions::<L>((replica, 0), self.windows.walk.piece(piece), scratch);
    }
}

impl ByRegion for MaxPoolForward {
    fn walk(&self) -> &Walk {
        &self.windows.walk
    }

    #[inline(always)]
    fn run_regions<L: Lanes>(
        &self,
        (replica, sample): (usize, usize),
        regions: impl Iterator<Item = Region>,
        scratch: &mut Scratch,
    ) {
        let Windows { walk, y } = &self.windows;
        // Rows of x are half as long after even and odd columns are separated.
        let PlaneLayout { row, plane, .. } = walk.regions.shape;
        let length = self.windows.scratch();
        let [even, odd, most] = parts(scratch.floats(3 * length), [length; 3]);
        let [first_of_x, first_of_y] = [&self.x, &self.y].map(|planes| planes.start(replica, sample));
        for region in regions {
            let at = first_of_x + region.start(0);
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
                let to = (self.y.at(first_of_y + of_y.start(0) + p * y.plane), y.row);
                // SAFETY: only this piece accesses these rows of y, and scratch is padded.
                unsafe { copy_rows::<L>((most.as_ptr(), row), to, of_y.rows, y.across()) };
            }
        }
    }
}

//! Twin of shaders/max_pool_backward.wgsl: the gradient of the 2x2 max pool goes to the first largest pixel of each
//! window.

use super::lanes::Lanes;
use super::memory::Scratch;
use super::shared::planes::{PlaneLayout, Region, copy_rows, parts};
use super::shared::tensor::Tensor;
use super::shared::walk::{ByRegion, Walk};
use super::shared::window::{Windows, apart, window_max};
use super::twin::{Launch, Twin};

/// One dispatch of `max_pool_backward`. A piece is several regions.
pub struct MaxPoolBackward {
    x: Tensor,
    dy: Tensor,
    dx: Tensor,
    windows: Windows,
}

impl Twin for MaxPoolBackward {
    fn new(launch: &Launch<'_>) -> Self {
        let windows = Windows::new(launch);
        let [of_x, of_y] = windows.samples();
        Self { x: launch.tensor(0, of_x), dy: launch.tensor(1, of_y), dx: launch.tensor(2, of_x), windows }
    }

    fn pieces(&self) -> usize {
        self.windows.walk.pieces()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        self.run_regions::<L>((replica, 0), self.windows.walk.piece(piece), scratch);
    }
}

impl ByRegion for MaxPoolBackward {
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
        let across = walk.regions.shape.across();
        let length = self.windows.scratch();
        let lengths = [length, length, length, 2 * length, 2 * length];
        let [even, odd, gradient, top, bottom] = parts(scratch.floats(7 * length), lengths);
        let [first_of_x, first_of_dy, first_of_dx] =
            [&self.x, &self.dy, &self.dx].map(|planes| planes.start(replica, sample));
        for region in regions {
            let (at, rows) = (region.start(0), region.rows / 2);
            let of_y = Region { shape: *y, row: region.row / 2, rows, ..region };
            // SAFETY: the dispatch only reads x and dy, where a whole vector may begin anywhere; scratch is padded.
            unsafe {
                apart(self.x.read(first_of_x + at..first_of_x + at + region.run()), even, odd);
                for p in 0..region.planes {
                    let dy = self.dy.at(first_of_dy + of_y.start(0) + p * y.plane).cast_const();
                    let to = gradient.as_mut_ptr().add(p * plane / 2);
                    copy_rows::<L>((dy, y.row), (to, row), rows, across / 2);
                }
            }
            let count = self.windows.count(&region);
            let windows = [&even[..count], &odd[..count], &even[row / 2..][..count], &odd[row / 2..][..count]];
            route::<false>(windows, &gradient[..count], &mut top[..2 * count]);
            route::<true>(windows, &gradient[..count], &mut bottom[..2 * count]);
            for p in 0..region.planes {
                for (run, from_top) in [(&*top, 0), (&*bottom, row)] {
                    let from = (&raw const run[p * plane], 2 * row);
                    let to = (self.dx.at(first_of_dx + at + p * plane + from_top), 2 * row);
                    // SAFETY: only this piece accesses these rows of dx, and scratch is padded.
                    unsafe { copy_rows::<L>(from, to, rows, across) };
                }
            }
        }
    }
}

/// Gives each window's gradient to one of its four pixels. Writes the upper two or the lower two pixels, so that the loop
/// writes one run and vectorises.
#[inline(always)]
fn route<const IS_LOWER: bool>([a, b, c, d]: [&[f32]; 4], gradient: &[f32], to: &mut [f32]) {
    let windows = a.iter().zip(b).zip(c.iter().zip(d)).zip(gradient);
    for (to, (((a, b), (c, d)), g)) in to.as_chunks_mut::<2>().0.iter_mut().zip(windows) {
        let [first, second, third, fourth] = shares([*a, *b, *c, *d], *g);
        *to = if IS_LOWER { [third, fourth] } else { [first, second] };
    }
}

/// The share of g of each pixel: all of it for the first pixel that equals the maximum, or for the last one if none does (NaN).
#[inline(always)]
fn shares([a, b, c, d]: [f32; 4], g: f32) -> [f32; 4] {
    let most = window_max([a, b, c, d]);
    let (is_a, is_b, is_c) = (a == most, b == most, c == most);
    let share = |is_it: bool| if is_it { g } else { 0.0 };
    [share(is_a), share(!is_a & is_b), share(!(is_a | is_b) & is_c), share(!(is_a | is_b | is_c))]
}

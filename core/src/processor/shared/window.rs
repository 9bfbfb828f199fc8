//! Counterpart of shaders/shared/window.wgsl, with even and odd columns in separate slices.

use super::planes::{PlaneLayout, Region, scratch};
use super::walk::Walk;
use crate::processor::twin::Launch;

/// The largest value of a 2x2 window. Of equal values, the first in row order.
#[inline(always)]
pub fn window_max([top_even, top_odd, bottom_even, bottom_odd]: [f32; 4]) -> f32 {
    let most = if top_odd > top_even { top_odd } else { top_even };
    let most = if bottom_even > most { bottom_even } else { most };
    if bottom_odd > most { bottom_odd } else { most }
}

/// Separates even and odd columns.
#[inline(always)]
pub fn apart(run: &[f32], even: &mut [f32], odd: &mut [f32]) {
    for ((pair, even), odd) in run.as_chunks::<2>().0.iter().zip(even).zip(odd) {
        [*even, *odd] = *pair;
    }
}

/// The windows of a max pool, whose input x has twice the height and width of y.
#[derive(Clone, Copy)]
pub struct Windows {
    /// The walk over x, in regions with an even number of rows.
    pub walk: Walk,
    /// Shape of y.
    pub y: PlaneLayout,
}

impl Windows {
    /// Reads the constants C, HEIGHT and WIDTH (of y), X_ROW, X_PLANE, Y_ROW and Y_PLANE.
    pub fn new(launch: &Launch<'_>) -> Self {
        let (channels, height, width) = (launch.size("C"), launch.size("HEIGHT"), launch.size("WIDTH"));
        let [x, y] = [(2, "X_ROW", "X_PLANE"), (1, "Y_ROW", "Y_PLANE")].map(|(by, row, plane)| PlaneLayout {
            channels,
            height: by * height,
            width: by * width,
            row: launch.size(row) * 4,
            plane: launch.size(plane) * 4,
        });
        Self { walk: Walk::new(launch, x, 2, 2), y }
    }

    /// Floats per sample of x and of y.
    pub fn samples(&self) -> [usize; 2] {
        [self.walk.regions.shape, self.y].map(|planes| planes.channels * planes.plane)
    }

    /// Floats to read of a region of x. If a row of x ends inside the last vector of y, its border is read, too.
    #[inline(always)]
    pub fn run(&self, region: &Region) -> usize {
        region.run() - region.shape.across() + 2 * self.y.across()
    }

    /// Length of scratch for the even or the odd columns of a region: the computed windows and a row below.
    pub fn scratch(&self) -> usize {
        scratch(self.walk.regions.run() / 2 + 4) + self.walk.regions.shape.row / 2
    }

    /// Number of windows to compute for a region. One begins at every even column; those of odd rows are not used.
    #[inline(always)]
    pub fn count(&self, region: &Region) -> usize {
        scratch(region.run() / 2 + 4)
    }
}

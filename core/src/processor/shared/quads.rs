//! The quads (four columns of a row) of neighbouring planes, gathered without borders, as group norm's sums take them: lane l of a
//! workgroup takes quads l, l + 64, ... in turn.

use super::planes::PlaneLayout;
use super::reduce::LANES;
use crate::processor::memory::View;

/// Floats that the lanes of a workgroup take in a turn.
pub const TURN: usize = 4 * LANES;

/// Floats of the gathered quads of `planes` planes.
#[inline(always)]
pub fn floats(layout: &PlaneLayout, planes: usize) -> usize {
    planes * layout.height * layout.across()
}

/// Copies the quads of planes from `first` on to `to`.
///
/// # Safety
/// Nothing may write these planes meanwhile.
#[inline(always)]
pub unsafe fn gather(layout: &PlaneLayout, from: &View<f32>, first: usize, to: &mut [f32]) {
    for (row, to) in to.chunks_exact_mut(layout.across()).enumerate() {
        let at = layout.start(first + row / layout.height, row % layout.height);
        // SAFETY: upheld by the caller.
        to.copy_from_slice(unsafe { from.read(at..at + layout.across()) });
    }
}

/// Copies gathered quads back to the planes from `first` on.
///
/// # Safety
/// Nothing else may access these planes meanwhile.
#[inline(always)]
pub unsafe fn scatter(layout: &PlaneLayout, from: &[f32], to: &View<f32>, first: usize) {
    for (row, from) in from.chunks_exact(layout.across()).enumerate() {
        let at = layout.start(first + row / layout.height, row % layout.height);
        // SAFETY: upheld by the caller.
        unsafe { to.write(at..at + layout.across()).copy_from_slice(from) };
    }
}

//! Counterpart of shaders/shared/chan.wgsl: merging (count, mean, M2) of two disjoint sets.

use crate::processor::lanes::Lanes;

/// The union of two sets, given as (count, mean, M2).
#[inline(always)]
pub fn chan_merge<L: Lanes>(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    let n = a[0] + b[0];
    let share = b[0] / n;
    let distance = b[1] - a[1];
    let mean = L::mac1(distance, share, a[1]);
    let squares = a[2] + L::mac1(distance * distance, a[0] * share, b[2]);
    // An empty set must change nothing, but the squared distance from its mean may overflow. Each value is selected
    // separately, so that a loop over merges vectorises.
    let choose = |merged: f32, i: usize| {
        let from_b = if a[0] == 0.0 { b[i] } else { merged };
        if b[0] == 0.0 { a[i] } else { from_b }
    };
    [choose(n, 0), choose(mean, 1), choose(squares, 2)]
}

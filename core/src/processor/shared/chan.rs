//! Counterpart of shaders/shared/chan.wgsl: merging (count, mean, M2) of two disjoint sets, and the order in which workgroups merge
//! many.

use super::reduce::LANES;
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

/// Merges leaves, pairs of mean and M2: lane l takes leaves l, l + 64, ... in turn, then lanes are merged pairwise.
#[inline(always)]
pub fn merge<L: Lanes>(counts: &[f32], leaves: &[f32]) -> [f32; 3] {
    let mut n = [0.0; LANES];
    let mut mean = [0.0; LANES];
    let mut m2 = [0.0; LANES];
    for (counts, leaves) in counts.chunks(LANES).zip(leaves.as_chunks::<2>().0.chunks(LANES)) {
        for l in 0..counts.len().min(leaves.len()) {
            let merged = chan_merge::<L>([n[l], mean[l], m2[l]], [counts[l], leaves[l][0], leaves[l][1]]);
            [n[l], mean[l], m2[l]] = merged;
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            let other = [n[l + width], mean[l + width], m2[l + width]];
            [n[l], mean[l], m2[l]] = chan_merge::<L>([n[l], mean[l], m2[l]], other);
        }
        width /= 2;
    }
    [n[0], mean[0], m2[0]]
}

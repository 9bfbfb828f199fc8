//! The orders of loops and sums.

use std::array::from_fn;

/// A nest of loops: all indices below `sizes`, the last one fastest. The i-th index is that of element i in a dense array.
pub(super) fn each<const D: usize>(sizes: [usize; D]) -> impl Iterator<Item = [usize; D]> {
    let mut next = [0; D];
    (0..sizes.iter().product()).map(move |_| {
        let here = next;
        for axis in (0..D).rev() {
            next[axis] += 1;
            if next[axis] < sizes[axis] {
                break;
            }
            next[axis] = 0;
        }
        here
    })
}

/// Sum of the four lanes of a vector.
pub(super) fn lane_sum(v: [f32; 4]) -> f32 {
    (v[0] + v[1]) + (v[2] + v[3])
}

/// Lane l of 64 starts at `zero` and takes the elements l, l + 64, ... in turn; then it merges lane l + 32, l + 16, ...
pub(super) fn pairwise64<T: Copy>(count: usize, zero: T, take: impl Fn(T, usize) -> T, merge: impl Fn(T, T) -> T) -> T {
    let mut lanes: [T; 64] = from_fn(|lane| (lane..count).step_by(64).fold(zero, &take));
    for width in [32, 16, 8, 4, 2, 1] {
        for lane in 0..width {
            lanes[lane] = merge(lanes[lane], lanes[lane + width]);
        }
    }
    lanes[0]
}

/// Elementwise sums.
pub(super) fn add<const D: usize>(a: [f32; D], b: [f32; D]) -> [f32; D] {
    from_fn(|i| a[i] + b[i])
}

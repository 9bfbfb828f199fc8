//! The order of sums over a workgroup (docs/ORDER.md): lane l of 64 takes items l, l + 64, ... in turn. Then lanes are
//! merged pairwise: lane l with lane l + 32, then l + 16, ... l + 1.

/// Lanes in a workgroup.
pub const LANES: usize = 64;

/// Adds 64 lanes pairwise.
#[inline(always)]
pub fn pairwise(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            lanes[l] += lanes[l + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Adds interleaved pairs of floats. Returns the sum of the first floats and the sum of the second floats.
#[inline(always)]
pub fn sum_pairs(pairs: &[f32]) -> [f32; 2] {
    let mut lanes = [0.0; 2 * LANES];
    for turn in pairs.chunks(2 * LANES) {
        for (lane, value) in lanes.iter_mut().zip(turn) {
            *lane += value;
        }
    }
    [0, 1].map(|i| pairwise(std::array::from_fn(|l| lanes[2 * l + i])))
}

/// The sum of the four lanes of a vector: (x + y) + (z + w).
#[inline(always)]
pub fn lane_sum(v: [f32; 4]) -> f32 {
    (v[0] + v[1]) + (v[2] + v[3])
}

/// The [`lane_sum`] of every vector of a run.
#[inline(always)]
pub fn lane_sums(run: &[f32], sums: &mut [f32]) {
    for (sum, v) in sums.iter_mut().zip(run.as_chunks::<4>().0) {
        *sum = lane_sum(*v);
    }
}

/// Interleaves `firsts` and `seconds` as pairs.
#[inline(always)]
pub fn in_pairs([firsts, seconds]: [&[f32]; 2], pairs: &mut [f32]) {
    for ((pair, first), second) in pairs.as_chunks_mut::<2>().0.iter_mut().zip(firsts).zip(seconds) {
        *pair = [*first, *second];
    }
}

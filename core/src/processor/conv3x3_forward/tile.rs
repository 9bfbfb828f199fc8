//! The part that stays in registers: the sums of a few output channels for a few vectors of pixels.

use std::hint::black_box;
use std::sync::atomic::{Ordering, compiler_fence};

use crate::processor::lanes::Lanes;
use crate::processor::memory::CacheLines;

/// Maximum number of vectors of pixels in a tile.
pub const MOST: usize = 3;

/// Sums of G groups of four output channels for X vectors of pixels.
pub type Sums<L, const G: usize, const X: usize> = [[[<L as Lanes>::V; X]; 4]; G];

/// Where a tile reads the first tap of its first input channel, and how far apart (in floats) the others lie.
#[derive(Clone, Copy)]
pub struct Window<const X: usize> {
    at: [*const f32; X],
    row: usize,
    column: usize,
    channel: usize,
    /// Rows of taps.
    rows: usize,
}

impl<const X: usize> Window<X> {
    /// `at` is the first tap of each vector of pixels. `row`, `column` and `channel` are the floats from a tap to the one
    /// below it, on its right, and in the next channel.
    #[inline(always)]
    pub fn new(at: [*const f32; X], row: usize, column: usize, channel: usize) -> Self {
        // `black_box` keeps the compiler from unrolling all nine taps: three times the code, at the same speed.
        Self { at, row, column, channel, rows: black_box(3) }
    }
}

/// Vectors in the next tile if `rest` remain: 3 or 2, and 1 only if no more remain, because a tile of 1 keeps too few
/// sums in flight.
#[inline(always)]
pub fn next_tile(rest: usize) -> usize {
    match rest {
        1..=3 => rest,
        4 => 2,
        _ => MOST,
    }
}

/// Sums that begin at 0.
///
/// # Safety
/// The machine must support the instruction set.
#[inline(always)]
pub unsafe fn zeros<L: Lanes, const G: usize, const X: usize>() -> Sums<L, G, X> {
    // SAFETY: upheld by the caller.
    [[[unsafe { L::splat(0.0) }; X]; 4]; G]
}

/// Adds `channels` input channels, nine taps each, to the sums. `weights` are the weights of each group, `[channel][tap][4]`.
///
/// # Safety
/// The machine must support the instruction set, and all pixels and weights must be readable.
#[inline(always)]
pub unsafe fn add_channels<L: Lanes, const G: usize, const X: usize>(
    mut sums: Sums<L, G, X>,
    window: Window<X>,
    mut weights: [*const f32; G],
    channels: usize,
    mut lines: CacheLines,
) -> Sums<L, G, X> {
    let mut at = window.at;
    for _ in 0..channels {
        for _ in 0..window.rows {
            lines.prefetch_next::<L>();
            // SAFETY: upheld by the caller; X is MOST.
            unsafe {
                if L::HAS_ROWS && G == 1 && X == MOST {
                    let sums = &mut *(&raw mut sums[0]).cast::<[[L::V; MOST]; 4]>();
                    L::row_of_taps(sums, std::array::from_fn(|i| at[i]), window.column, weights[0]);
                } else {
                    add_row::<L, G, X>(&mut sums, at, window.column, weights);
                }
            }
            for from in &mut at {
                *from = from.wrapping_add(window.row);
            }
            for from in &mut weights {
                *from = from.wrapping_add(12);
            }
        }
        for from in &mut at {
            *from = from.wrapping_add(window.channel).wrapping_sub(3 * window.row);
        }
    }
    sums
}

/// Adds three neighbouring taps to the sums.
#[inline(always)]
unsafe fn add_row<L: Lanes, const G: usize, const X: usize>(
    sums: &mut Sums<L, G, X>,
    at: [*const f32; X],
    column: usize,
    weights: [*const f32; G],
) {
    for kw in 0..3 {
        // SAFETY: upheld by the caller.
        unsafe {
            let mut pixels = [L::splat(0.0); X];
            for (v, from) in pixels.iter_mut().zip(at) {
                *v = L::load(from.add(kw * column));
            }
            for g in 0..G {
                for j in 0..4 {
                    let weight = L::splat(*weights[g].add(kw * 4 + j));
                    for i in 0..X {
                        sums[g][j][i] = L::mac(weight, pixels[i], sums[g][j][i]);
                    }
                }
            }
        }
        if L::REGISTERS < 32 {
            // Without the fence the compiler loads the next tap too early and spills a sum.
            compiler_fence(Ordering::SeqCst);
        }
    }
}

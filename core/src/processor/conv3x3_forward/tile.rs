//! What stays in registers: the sums of a few output channels on a few vectors of pixels.

use std::hint::black_box;
use std::sync::atomic::{Ordering, compiler_fence};

use crate::processor::lanes::Lanes;
use crate::processor::memory::Lines;

/// Most vectors of pixels in a tile.
pub const MOST: usize = 3;

/// Sums of G groups of four output channels on X vectors of pixels.
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
    /// `at`: of each vector of pixels; `row`, `column`, `channel`: from a tap to the one below, on its right, of the
    /// next channel.
    #[inline(always)]
    pub fn new(at: [*const f32; X], row: usize, column: usize, channel: usize) -> Self {
        // Hidden from the compiler, which would unroll all nine taps: three times the code, at the same speed.
        Self { at, row, column, channel, rows: black_box(3) }
    }
}

/// Vectors in the next tile where `rest` are to be done: 3 or 2, and 1 only where there is no more, for it keeps too
/// few sums going.
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
/// The machine has the instruction set.
#[inline(always)]
pub unsafe fn zeros<L: Lanes, const G: usize, const X: usize>() -> Sums<L, G, X> {
    // SAFETY: the caller's.
    [[[unsafe { L::splat(0.0) }; X]; 4]; G]
}

/// Adds `channels` input channels, nine taps each, to the sums. `weights` are those of each group: `[channel][tap][4]`.
///
/// # Safety
/// The machine has the instruction set, and all of that can be read.
#[inline(always)]
pub unsafe fn add_channels<L: Lanes, const G: usize, const X: usize>(
    mut sums: Sums<L, G, X>,
    window: Window<X>,
    mut weights: [*const f32; G],
    channels: usize,
    mut ahead: Lines,
) -> Sums<L, G, X> {
    let mut at = window.at;
    for _ in 0..channels {
        for _ in 0..window.rows {
            ahead.ask::<L>();
            for kw in 0..3 {
                // SAFETY: the caller's.
                unsafe {
                    let mut pixels = [L::splat(0.0); X];
                    for (v, from) in pixels.iter_mut().zip(at) {
                        *v = L::load(from.add(kw * window.column));
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
                    // Or the compiler loads the next tap too early, and a sum has to make room.
                    compiler_fence(Ordering::SeqCst);
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

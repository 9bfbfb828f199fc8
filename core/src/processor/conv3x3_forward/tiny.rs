//! Images of 2x2 pixels, as at the end of VGG16: vectors lie across output channels, because a row of pixels is mostly
//! padding and most taps meet the border.
//!
//! Taps on zeros are skipped. Adding +0 or -0 changes nothing in a nonzero sum and at most the sign of a zero sum, so a
//! sum that ends nonzero has the same bits. All taps are computed if a sum ends as zero, if a weight is not finite, or
//! if the padding is not zero.

use super::layer::{Conv3x3Forward, Piece};
use crate::processor::lanes::Lanes;
use crate::processor::memory::Scratch;

/// A piece should have this many pixels, padding included.
pub const PIXELS: usize = 384;
/// With fewer input channels, this path does not pay off.
const CHANNELS: usize = 16;
/// Floats of a row of a plane.
const ROW: usize = 8;

/// Whether images have 2x2 pixels and enough input channels.
pub fn suits(channels: usize, height: usize, width: usize) -> bool {
    (height, width) == (2, 2) && channels >= CHANNELS
}

/// Computes a piece, S samples at a time.
///
/// # Safety
/// The machine must support the instruction set, and nothing else may read or write what the piece writes.
#[inline(always)]
pub unsafe fn run<L: Lanes, const S: usize>(conv: &Conv3x3Forward, piece: Piece, scratch: &mut Scratch) {
    let tiles = piece.samples.div_ceil(S);
    let of_weights = conv.inputs * 9 * L::N;
    let (weights, x) = scratch.floats(of_weights + tiles * S * conv.inputs * 4).split_at_mut(of_weights);
    let is_bordered = collect_pixels::<S>(conv, piece, x);
    for first in (0..piece.groups).step_by(L::N / 4) {
        // SAFETY: upheld by the caller.
        unsafe {
            let is_finite = collect_weights::<L>(conv, piece, first, weights);
            for (tile, x) in x.chunks_exact(S * conv.inputs * 4).enumerate() {
                let mut sums = [[[0.0; 16]; 8]; S];
                if is_bordered && is_finite {
                    few_taps::<L, S>(conv.inputs, x.as_ptr(), weights.as_ptr(), &mut sums);
                }
                for (s, sums) in sums.iter_mut().enumerate().take(piece.samples - tile * S) {
                    let sample = piece.first_sample + tile * S + s;
                    let lanes =
                        (conv.outputs - (piece.first_group + first) * 4).min(L::N).min((piece.groups - first) * 4);
                    // `few_taps` computes the first three columns of both rows.
                    if (0..8).any(|i| i % 4 < 3 && sums[i][..lanes].contains(&0.0)) {
                        all_taps::<L>(conv, piece, sample, weights.as_ptr(), sums);
                    }
                    write(conv, piece, (sample, first), sums, lanes);
                }
            }
        }
    }
}

/// Collects the pixels as `[tile][channel][sample][4 pixels]`. Returns whether the padding beside them is zero.
#[inline(always)]
fn collect_pixels<const S: usize>(conv: &Conv3x3Forward, piece: Piece, x: &mut [f32]) -> bool {
    let mut others = 0;
    for (tile, x) in x.chunks_exact_mut(S * conv.inputs * 4).enumerate() {
        for s in 0..S {
            // Beyond the last sample, the last one is computed again and not written.
            let sample = piece.first_sample + (tile * S + s).min(piece.samples - 1);
            let planes = conv.corner(piece, sample) - 3;
            // SAFETY: the dispatch only reads x.
            let planes = unsafe { conv.x.read(planes..planes + conv.inputs * 3 * ROW) };
            for (plane, to) in planes.chunks_exact(3 * ROW).zip(x.chunks_exact_mut(S * 4)) {
                let (upper, lower) = (&plane[ROW + 4..ROW + 8], &plane[2 * ROW + 4..2 * ROW + 8]);
                to[s * 4..s * 4 + 4].copy_from_slice(&[upper[0], upper[1], lower[0], lower[1]]);
                for padding in [upper[2], upper[3], lower[2], lower[3]] {
                    others |= padding.to_bits() << 1;
                }
            }
        }
    }
    others == 0
}

/// Collects the weights as `[channel][tap][output channel]`. Returns whether all are finite.
#[inline(always)]
unsafe fn collect_weights<L: Lanes>(conv: &Conv3x3Forward, piece: Piece, first: usize, to: &mut [f32]) -> bool {
    let from: [*const f32; 4] =
        std::array::from_fn(|g| conv.weights::<1>(piece.replica, piece.first_group + first + g)[0]);
    // SAFETY: upheld by the caller.
    unsafe {
        let zero = L::splat(0.0);
        let mut all = zero;
        for (i, to) in to.chunks_exact_mut(L::N).enumerate() {
            let weights = L::load_quads(&from.map(|from| from.wrapping_add(i * 4)));
            all = L::mac(weights, zero, all);
            L::store(to.as_mut_ptr(), weights);
        }
        let mut lanes = [0.0; 16];
        L::store(lanes.as_mut_ptr(), all);
        lanes.iter().all(|lane| *lane == 0.0)
    }
}

/// Sums of columns 0, 1 and 2 of both rows from the taps that meet pixels: `[sample][row * 4 + column]`. Column 2 is
/// padding that reads column 1.
#[inline(always)]
unsafe fn few_taps<L: Lanes, const S: usize>(
    channels: usize,
    mut x: *const f32,
    mut weights: *const f32,
    sums: &mut [[[f32; 16]; 8]; S],
) {
    macro_rules! taps {
        ($acc:ident: $($tap:literal [$($out:literal $pixel:literal),+])+) => {
            $(let weight = L::load(weights.add($tap * L::N));
            $(for s in 0..S {
                $acc[s][$out] = L::mac(weight, L::splat(*x.add(s * 4 + $pixel)), $acc[s][$out]);
            })+)+
        };
    }
    // SAFETY: upheld by the caller.
    unsafe {
        let mut acc = [[L::splat(0.0); 6]; S];
        for _ in 0..channels {
            // Each tap: the sums (row * 3 + column) that it adds to, and the pixel (row * 2 + column) that it meets
            // there.
            taps!(acc:
                0 [4 0, 5 1]
                1 [3 0, 4 1]
                2 [3 1]
                3 [1 0, 2 1, 4 2, 5 3]
                4 [0 0, 1 1, 3 2, 4 3]
                5 [0 1, 3 3]
                6 [1 2, 2 3]
                7 [0 2, 1 3]
                8 [0 3]
            );
            x = x.wrapping_add(S * 4);
            weights = weights.wrapping_add(9 * L::N);
        }
        for s in 0..S {
            for i in 0..6 {
                L::store(sums[s][i / 3 * 4 + i % 3].as_mut_ptr(), acc[s][i]);
            }
        }
    }
}

/// Sums of all columns of both rows of one sample, from all taps.
#[inline(always)]
unsafe fn all_taps<L: Lanes>(
    conv: &Conv3x3Forward,
    piece: Piece,
    sample: usize,
    mut weights: *const f32,
    sums: &mut [[f32; 16]; 8],
) {
    let mut x = conv.x.at(conv.corner(piece, sample)).cast_const();
    // SAFETY: upheld by the caller.
    unsafe {
        let mut acc = [L::splat(0.0); 8];
        for _ in 0..conv.inputs {
            for kh in 0..3 {
                for kw in 0..3 {
                    let weight = L::load(weights);
                    for (i, acc) in acc.iter_mut().enumerate() {
                        let pixel = *x.add((i / 4 + kh) * ROW + i % 4 + kw);
                        *acc = L::mac(weight, L::splat(pixel), *acc);
                    }
                    weights = weights.wrapping_add(L::N);
                }
            }
            x = x.wrapping_add(conv.plane);
        }
        for i in 0..8 {
            L::store(sums[i].as_mut_ptr(), acc[i]);
        }
    }
}

/// Writes the sums of a sample, `[row * 4 + column][output channel]`.
#[inline(always)]
unsafe fn write(
    conv: &Conv3x3Forward,
    piece: Piece,
    (sample, first): (usize, usize),
    sums: &[[f32; 16]; 8],
    lanes: usize,
) {
    for lane in 0..lanes {
        let k = (piece.first_group + first) * 4 + lane;
        let to = conv.target(piece, sample) + k * conv.plane;
        for row in 0..2 {
            // SAFETY: upheld by the caller; pixels of output channel k < K.
            let pixels = unsafe { conv.y.write(to + row * ROW..to + row * ROW + 4) };
            for (w, pixel) in pixels.iter_mut().enumerate() {
                let value = sums[row * 4 + w][lane] * conv.mask[w];
                *pixel = if conv.accumulate { value + *pixel } else { value };
            }
        }
    }
}

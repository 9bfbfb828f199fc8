//! Wide images: vectors of pixels lie along a row and are read straight from the planes, whose zero border makes every
//! load valid. The last vector of a row may reach beyond the row; these lanes are not written.

use super::layer::{Conv3x3Forward, Piece};
use super::tile::{Window, add_channels, next_tile, zeros};
use crate::processor::lanes::Lanes;
use crate::processor::memory::{CacheLines, Prefetch};

/// Whether at most an eighth of the lanes are lost at the ends of rows.
#[inline(always)]
pub fn suits<L: Lanes>(columns: usize) -> bool {
    L::N == 4 || columns * 8 >= columns.next_multiple_of(L::N) * 7
}

/// Computes a piece, G groups of output channels at a time.
///
/// # Safety
/// The machine must support the instruction set, and nothing else may read or write what the piece writes.
#[inline(always)]
pub unsafe fn run<L: Lanes, const G: usize>(conv: &Conv3x3Forward, piece: Piece, prefetch: &mut Prefetch) {
    let vectors = conv.height * conv.columns().div_ceil(L::N);
    for sample in piece.first_sample..piece.first_sample + piece.samples {
        for group in (piece.first_group..piece.first_group + piece.groups).step_by(G) {
            let groups = G.min(piece.first_group + piece.groups - group);
            let part = Piece { first_sample: sample, samples: 1, first_group: group, groups, ..piece };
            let mut vector = 0;
            while vector < vectors {
                let tile = next_tile(vectors - vector);
                let lines = prefetch.lines();
                // SAFETY: upheld by the caller.
                unsafe {
                    match tile {
                        1 => run_tile::<L, G, 1>(conv, part, vector, lines),
                        2 => run_tile::<L, G, 2>(conv, part, vector, lines),
                        _ => run_tile::<L, G, 3>(conv, part, vector, lines),
                    }
                }
                vector += tile;
            }
        }
    }
}

/// Computes X vectors of one sample, from `vector` on.
#[inline(always)]
unsafe fn run_tile<L: Lanes, const G: usize, const X: usize>(
    conv: &Conv3x3Forward,
    piece: Piece,
    vector: usize,
    lines: CacheLines,
) {
    let a_row = conv.columns().div_ceil(L::N);
    let (mut offsets, mut columns) = ([0; X], [0; X]);
    let mut at = [std::ptr::null(); X];
    for i in 0..X {
        columns[i] = (vector + i) % a_row * L::N;
        offsets[i] = (vector + i) / a_row * conv.row + columns[i];
        at[i] = conv.x.at(conv.corner(piece, piece.first_sample) + offsets[i]).cast_const();
    }
    let window = Window::new(at, conv.row, 1, conv.plane);
    // SAFETY: windows of pixels lie inside their planes and the border below, or reach less than a vector beyond, whose
    // lanes are dropped; channels beyond K and lanes beyond a row are not written.
    unsafe {
        let weights = conv.weights(piece.replica, piece.first_group);
        let sums = add_channels::<L, G, X>(zeros::<L, G, X>(), window, weights, conv.inputs, lines);
        for g in 0..G {
            for j in 0..4 {
                let k = (piece.first_group + g) * 4 + j;
                if g >= piece.groups || k >= conv.outputs {
                    return;
                }
                let plane = conv.target(piece, piece.first_sample) + k * conv.plane;
                for i in 0..X {
                    let to = conv.y.at(plane + offsets[i]);
                    let mut value = sums[g][j][i];
                    if conv.is_masked() {
                        value = L::mul(value, L::load(conv.mask.as_ptr().add(columns[i])));
                    }
                    if conv.accumulate {
                        value = L::add(value, L::load(to));
                    }
                    if columns[i] + L::N <= conv.columns() {
                        L::store(to, value);
                    } else {
                        L::store_first(to, conv.columns() - columns[i], value);
                    }
                }
            }
        }
    }
}

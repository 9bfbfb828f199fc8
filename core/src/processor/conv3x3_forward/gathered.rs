//! Small or odd images: vectors of pixels continue across rows and samples. The pixels that the nine taps of a tile read
//! are gathered first, a few input channels at a time, so that they stay in the L1 cache for all output channels. From
//! one group of input channels to the next, the sums are kept in memory.

use std::ops::Range;

use super::layer::{Conv3x3Forward, Piece};
use super::tile::{MOST, Sums, Window, add_channels, next_tile, zeros};
use crate::processor::lanes::Lanes;
use crate::processor::memory::{Prefetch, Scratch};

/// Input channels gathered at a time.
const CHANNELS: usize = 16;

/// How the pixels of a vector lie in memory.
#[derive(Clone, Copy, PartialEq)]
enum VectorLayout {
    /// All in one row.
    Row,
    /// Each half in one row.
    Halves,
    /// Each quad of neighbours in one row.
    Quads,
}

/// A vector of pixels, as quads of four neighbours.
#[derive(Clone, Copy)]
struct Pixels {
    layout: VectorLayout,
    /// Index in x of the first tap of each quad. Beyond the last quad, the last one is read again.
    from: [usize; 4],
    /// Index of each quad in output channel 0 of y.
    to: [usize; 4],
    /// Number of quads.
    quads: usize,
    /// 1 in columns of the image, 0 beyond.
    mask: [f32; 16],
}

/// The scratch memory of a tile.
#[derive(Clone, Copy)]
struct Room {
    /// Gathered pixels, `[channel][tap][vector]`.
    pixels: *mut f32,
    /// Sums, `[group][channel][vector]`.
    sums: *mut f32,
}

/// Computes a piece, G groups of output channels at a time.
///
/// # Safety
/// The machine must support the instruction set, and nothing else may read or write what the piece writes.
#[inline(always)]
pub unsafe fn run<L: Lanes, const G: usize>(conv: &Conv3x3Forward, piece: Piece, scratch: &mut Scratch) {
    let vectors = (piece.samples * conv.height * conv.columns()).div_ceil(L::N);
    let of_pixels = CHANNELS * 9 * MOST * L::N;
    // Floats of the sums of a vector of pixels.
    let of_sums = piece.groups.next_multiple_of(G) * 4 * L::N;
    let (pixels, sums) = scratch.floats(of_pixels + vectors * of_sums).split_at_mut(of_pixels);
    let (pixels, sums) = (pixels.as_mut_ptr(), sums.as_mut_ptr());
    for first in (0..conv.inputs).step_by(CHANNELS) {
        let channels = first..(first + CHANNELS).min(conv.inputs);
        let mut vector = 0;
        while vector < vectors {
            let room = Room { pixels, sums: sums.wrapping_add(vector * of_sums) };
            let tile = next_tile(vectors - vector);
            // SAFETY: upheld by the caller.
            unsafe {
                match tile {
                    1 => run_tile::<L, G, 1>(conv, piece, channels.clone(), vector, room, &mut scratch.prefetch),
                    2 => run_tile::<L, G, 2>(conv, piece, channels.clone(), vector, room, &mut scratch.prefetch),
                    _ => run_tile::<L, G, 3>(conv, piece, channels.clone(), vector, room, &mut scratch.prefetch),
                }
            }
            vector += tile;
        }
    }
}

/// Computes X vectors from `vector` on, for some input channels and all output channels of the piece.
#[inline(always)]
unsafe fn run_tile<L: Lanes, const G: usize, const X: usize>(
    conv: &Conv3x3Forward,
    piece: Piece,
    channels: Range<usize>,
    vector: usize,
    room: Room,
    prefetch: &mut Prefetch,
) {
    let mut pixels = [Pixels::NONE; X];
    let mut at = [room.pixels.cast_const(); X];
    for i in 0..X {
        pixels[i] = Pixels::of::<L>(conv, piece, vector + i);
        at[i] = room.pixels.wrapping_add(i * L::N);
        // SAFETY: upheld by the caller; there is room for X vectors of each tap.
        unsafe { pixels[i].gather::<L>(conv, channels.clone(), at[i].cast_mut(), X * L::N) };
    }
    let window = Window::new(at, 3 * X * L::N, X * L::N, 9 * X * L::N);
    for group in (0..piece.groups).step_by(G) {
        let kept = room.sums.wrapping_add(group * 4 * X * L::N);
        let first = piece.first_group + group;
        let weights = conv.weights(piece.replica, first).map(|from| from.wrapping_add(channels.start * 36));
        // SAFETY: upheld by the caller.
        unsafe {
            let sums = if channels.start == 0 { zeros::<L, G, X>() } else { load::<L, G, X>(kept) };
            store::<L, G, X>(kept, add_channels::<L, G, X>(sums, window, weights, channels.len(), prefetch.lines()));
            if channels.end == conv.inputs {
                let end = conv.outputs.min((first + G.min(piece.groups - group)) * 4);
                for k in first * 4..end {
                    for (i, pixels) in pixels.iter().enumerate() {
                        pixels.write::<L>(conv, k, L::load(kept.add(((k - first * 4) * X + i) * L::N)));
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn load<L: Lanes, const G: usize, const X: usize>(from: *const f32) -> Sums<L, G, X> {
    // SAFETY: upheld by the caller.
    unsafe {
        let mut sums = zeros::<L, G, X>();
        for g in 0..G {
            for j in 0..4 {
                for i in 0..X {
                    sums[g][j][i] = L::load(from.add(((g * 4 + j) * X + i) * L::N));
                }
            }
        }
        sums
    }
}

#[inline(always)]
unsafe fn store<L: Lanes, const G: usize, const X: usize>(to: *mut f32, sums: Sums<L, G, X>) {
    for g in 0..G {
        for j in 0..4 {
            for i in 0..X {
                // SAFETY: upheld by the caller.
                unsafe { L::store(to.add(((g * 4 + j) * X + i) * L::N), sums[g][j][i]) };
            }
        }
    }
}

impl Pixels {
    const NONE: Self = Self { layout: VectorLayout::Quads, from: [0; 4], to: [0; 4], quads: 0, mask: [0.0; 16] };

    /// The n-th vector of a piece.
    #[inline(always)]
    fn of<L: Lanes>(conv: &Conv3x3Forward, piece: Piece, nth: usize) -> Self {
        let (columns, first) = (conv.columns(), nth * L::N);
        let (mut column, rows) = (first % columns, first / columns);
        let (mut row, mut sample) = (rows % conv.height, piece.first_sample + rows / conv.height);
        let quads = (piece.samples * conv.height * columns - first).min(L::N) / 4;
        let mut pixels = Self { quads, ..Self::NONE };
        for quad in 0..quads {
            pixels.from[quad] = conv.corner(piece, sample) + row * conv.row + column;
            pixels.to[quad] = conv.target(piece, sample) + row * conv.row + column;
            pixels.mask[quad * 4..][..4].copy_from_slice(&conv.mask[column..][..4]);
            column += 4;
            if column == columns {
                (row, column) = (row + 1, 0);
            }
            if row == conv.height {
                (sample, row) = (sample + 1, 0);
            }
        }
        for quad in quads..L::N / 4 {
            pixels.from[quad] = pixels.from[quad - 1];
        }
        let from = pixels.from;
        let follows = |quad: usize| from[quad] == from[quad - 1] + 4;
        if (1..L::N / 4).all(follows) {
            pixels.layout = VectorLayout::Row;
        } else if L::N == 16 && follows(1) && follows(3) {
            pixels.layout = VectorLayout::Halves;
        }
        pixels
    }

    /// Gathers the nine taps of input channels as `[channel][tap]`, `stride` floats apart.
    #[inline(always)]
    unsafe fn gather<L: Lanes>(&self, conv: &Conv3x3Forward, channels: Range<usize>, mut to: *mut f32, stride: usize) {
        for c in channels {
            for kh in 0..3 {
                for kw in 0..3 {
                    let tap = conv.x.at(c * conv.plane + kh * conv.row + kw).cast_const();
                    // SAFETY: windows lie inside their planes and the border below.
                    unsafe { L::store(to, self.load::<L>(tap, &self.from)) };
                    to = to.wrapping_add(stride);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(&self, base: *const f32, at: &[usize; 4]) -> L::V {
        // SAFETY: upheld by the caller.
        unsafe {
            match self.layout {
                VectorLayout::Row => L::load(base.add(at[0])),
                VectorLayout::Halves if L::N == 16 => L::load_rows::<2>(base.add(at[0]), at[2] - at[0]),
                _ => L::load_quads(&at.map(|at| base.wrapping_add(at))),
            }
        }
    }

    /// Writes the sums of output channel k.
    #[inline(always)]
    unsafe fn write<L: Lanes>(&self, conv: &Conv3x3Forward, k: usize, mut value: L::V) {
        let base = conv.y.at(k * conv.plane);
        // SAFETY: upheld by the caller; k < K.
        unsafe {
            if conv.is_masked() {
                value = L::mul(value, L::load(self.mask.as_ptr()));
            }
            if self.quads < L::N / 4 {
                let mut lanes = [0.0; 16];
                L::store(lanes.as_mut_ptr(), value);
                for (to, values) in self.to[..self.quads].iter().zip(lanes.chunks_exact(4)) {
                    for (i, value) in values.iter().enumerate() {
                        let pixel = base.add(to + i);
                        *pixel = if conv.accumulate { value + *pixel } else { *value };
                    }
                }
                return;
            }
            if conv.accumulate {
                value = L::add(value, self.load::<L>(base, &self.to));
            }
            match self.layout {
                VectorLayout::Row => L::store(base.add(self.to[0]), value),
                VectorLayout::Halves if L::N == 16 => {
                    L::store_rows::<2>(base.add(self.to[0]), self.to[2] - self.to[0], value);
                }
                _ => L::store_quads(&self.to.map(|at| base.wrapping_add(at)), value),
            }
        }
    }
}

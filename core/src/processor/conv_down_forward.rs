//! Twin of shaders/conv_down_forward.wgsl: 3x3 convolution (padding 1) and 1x1 convolution, both of stride 2 and of the
//! same input.
//!
//! Lanes are output channels, and each value of x is broadcast straight from its plane, so the stride and odd sizes do
//! not matter.

use std::ops::Range;

use super::lanes::Lanes;
use super::memory::{CacheLines, Prefetch, Scratch};
use super::shared::pair_weights::{PairWeights, Repacked, TAPS};
use super::shared::tensor::Tensor;
use super::twin::{BySample, Launch, Twin};

/// One dispatch of `conv_down_forward`.
pub struct ConvDownForward {
    x: Tensor,
    weights: PairWeights,
    y: Tensor,
    s: Tensor,
    channels: usize,
    outputs: usize,
    height: usize,
    width: usize,
    x_steps: [usize; 2], // floats from row to row, from plane to plane
    y_steps: [usize; 2],
}

impl ConvDownForward {
    /// Computes a tile of the 3x3 convolution, or of the shortcut, whose one tap is the centre: VECTORS vectors of output
    /// channels x ROWS x 4 pixels. Order: c, then kh, then kw.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "indices say which pixel meets which weight")]
    unsafe fn tile<L: Lanes, const SHORTCUT: bool, const ROWS: usize, const VECTORS: usize>(
        &self,
        mut x: *const f32,
        mut weights: *const f32,
        to: Tile,
        other: *const f32,
        mut lines: CacheLines,
    ) {
        let [row, plane] = self.x_steps;
        let next_vector = self.channels * TAPS * L::N;
        // SAFETY: upheld by the caller.
        unsafe {
            let mut acc = [[[L::splat(0.0); 4]; VECTORS]; ROWS];
            for c in 0..self.channels {
                lines.prefetch_next::<L>();
                for tap in if SHORTCUT { 9..10 } else { 0..9 } {
                    let (kh, kw) = if SHORTCUT { (1, 1) } else { (tap / 3, tap % 3) };
                    let mut w = [L::splat(0.0); VECTORS];
                    for v in 0..VECTORS {
                        w[v] = L::load(weights.add(v * next_vector + tap * L::N));
                    }
                    for i in 0..ROWS {
                        for j in 0..4 {
                            let value = L::splat(*x.add((2 * i + kh) * row + 2 * j + kw));
                            for v in 0..VECTORS {
                                acc[i][v][j] = L::mac(w[v], value, acc[i][v][j]);
                            }
                        }
                    }
                }
                if !SHORTCUT {
                    // Prefetch the next sample of x, and two channels of both outputs, so that most lines are cached
                    // when the sums are ready.
                    for i in 0..2 * ROWS {
                        L::prefetch(x.wrapping_add(self.channels * plane + i * row));
                    }
                    for i in 0..2 * ROWS {
                        let at = (2 * c + i % 2) * self.y_steps[1] + i / 2 * self.y_steps[0];
                        L::prefetch(to.start.wrapping_add(at));
                        L::prefetch(other.wrapping_add(at));
                    }
                }
                x = x.add(plane);
                weights = weights.add(TAPS * L::N);
            }
            let [row, plane] = self.y_steps;
            for i in 0..ROWS {
                for v in 0..VECTORS {
                    let mut masked = acc[i][v];
                    for (j, value) in masked.iter_mut().enumerate() {
                        // As in the shader, a value beyond the last column becomes 0 or -0.
                        *value = L::mul(*value, L::splat(if to.column + j < self.width { 1.0 } else { 0.0 }));
                    }
                    let rows = self.outputs - (to.k + v * L::N);
                    store_pixels::<L>(to.start.add(v * L::N * plane + i * row), plane, rows, masked);
                }
            }
        }
    }

    /// Computes both convolutions of a tile.
    #[inline(always)]
    unsafe fn both<L: Lanes, const ROWS: usize, const VECTORS: usize>(
        &self,
        x: *const f32,
        weights: *const f32,
        [y, s]: [Tile; 2],
        prefetch: &mut Prefetch,
    ) {
        // SAFETY: upheld by the caller.
        unsafe {
            self.tile::<L, false, ROWS, VECTORS>(x, weights, y, s.start, prefetch.lines());
            self.tile::<L, true, ROWS, VECTORS>(x, weights, s, y.start, prefetch.lines());
        }
    }

    /// Computes VECTORS vectors of a sample's output channels, from `k` on.
    #[inline(always)]
    unsafe fn sample<L: Lanes, const ROWS: usize, const VECTORS: usize>(
        &self,
        (replica, sample): (usize, usize),
        k: usize,
        weights: *const f32,
        prefetch: &mut Prefetch,
    ) {
        let of_x = self.x.start(replica, sample);
        let of_outputs = [&self.y, &self.s].map(|planes| planes.start(replica, sample));
        let mut h = 0;
        while h < self.height {
            let rows = if h + ROWS <= self.height { ROWS } else { 1 };
            for column in (0..self.width).step_by(4) {
                let x = of_x + 2 * h * self.x_steps[0] + 3 + 2 * column;
                let at = k * self.y_steps[1] + (h + 1) * self.y_steps[0] + 4 + column;
                // SAFETY: planes have a border and spare rows after the last.
                unsafe {
                    let x = self.x.at(x);
                    let [y, s] = [self.y.at(of_outputs[0] + at), self.s.at(of_outputs[1] + at)];
                    let tiles = [y, s].map(|start| Tile { start, column, k });
                    if rows == ROWS {
                        self.both::<L, ROWS, VECTORS>(x, weights, tiles, prefetch);
                    } else {
                        self.both::<L, 1, VECTORS>(x, weights, tiles, prefetch);
                    }
                }
            }
            h += rows;
        }
    }
}

/// Where a tile is stored.
#[derive(Clone, Copy)]
struct Tile {
    start: *mut f32,
    column: usize,
    k: usize,
}

/// Stores four pixels of `channels` planes, at most N. Vector j of `transposed` holds pixel j of all channels.
///
/// # Safety
/// The machine must support the instruction set, and the pixels must be writable.
#[inline(always)]
pub unsafe fn store_pixels<L: Lanes>(to: *mut f32, plane: usize, channels: usize, transposed: [L::V; 4]) {
    // SAFETY: upheld by the caller.
    unsafe {
        if channels >= L::N {
            L::store_transposed(to, plane, transposed);
        } else {
            for (j, v) in transposed.into_iter().enumerate() {
                let mut lanes = [0.0; 16];
                L::store(lanes.as_mut_ptr(), v);
                for (l, value) in lanes.into_iter().enumerate().take(channels) {
                    *to.add(l * plane + j) = value;
                }
            }
        }
    }
}

impl Twin for ConvDownForward {
    fn new(launch: &Launch<'_>) -> Self {
        let (x_plane, y_plane) = (launch.size("X_PLANE") * 4, launch.size("Y_PLANE") * 4);
        let (channels, outputs) = (launch.size("C"), launch.size("K"));
        let (height, width) = (launch.size("HEIGHT"), launch.size("WIDTH"));
        let of_y = outputs * y_plane;
        Self {
            x: launch.tensor(0, channels * x_plane),
            weights: PairWeights::new(launch, 1, [outputs, channels], TAPS * height * width),
            y: launch.tensor(3, of_y),
            s: launch.tensor(4, of_y),
            channels,
            outputs,
            height,
            width,
            x_steps: [launch.size("X_ROW") * 4, x_plane],
            y_steps: [launch.size("Y_ROW") * 4, y_plane],
        }
    }

    fn pieces(&self) -> usize {
        self.weights.pieces()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let (weights, prefetch) = self.weights.of_piece::<L>(replica, piece, scratch);
        self.compute::<L>(replica, self.weights.samples(piece), weights, prefetch);
    }
}

impl BySample for ConvDownForward {
    #[inline(always)]
    fn run_samples<L: Lanes>(&self, replica: usize, samples: Range<usize>, scratch: &mut Scratch) {
        let (weights, prefetch) = self.weights.of_loop::<L>(replica, samples.start == 0, scratch);
        self.compute::<L>(replica, samples, weights, prefetch);
    }
}

impl ConvDownForward {
    /// Computes some samples for the output channels of the weights.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn compute<L: Lanes>(
        &self,
        replica: usize,
        samples: Range<usize>,
        Repacked { first, weights }: Repacked<'_>,
        prefetch: &mut Prefetch,
    ) {
        let of_vector = self.weights.of_vector::<L>();
        let vectors = weights.len() / of_vector;
        for sample in samples.map(|sample| (replica, sample)) {
            let mut v = 0;
            while v < vectors {
                let pair = v + 2 <= vectors;
                // SAFETY: pieces write different samples, or different channels of them.
                unsafe {
                    let (k, weights) = (first + v * L::N, weights.as_ptr().add(v * of_vector));
                    match (pair, L::REGISTERS >= 32) {
                        (true, true) => self.sample::<L, 2, 2>(sample, k, weights, prefetch),
                        (true, false) => self.sample::<L, 1, 2>(sample, k, weights, prefetch),
                        (false, true) => self.sample::<L, 4, 1>(sample, k, weights, prefetch),
                        (false, false) => self.sample::<L, 2, 1>(sample, k, weights, prefetch),
                    }
                }
                v += if pair { 2 } else { 1 };
            }
        }
    }
}

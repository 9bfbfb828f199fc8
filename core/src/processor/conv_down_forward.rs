//! Twin of shaders/conv_down_forward.wgsl: 3x3 convolution (padding 1) and 1x1 convolution, both of stride 2 and of the
//! same input.
//!
//! Lanes are output channels, and every value of x is broadcast from where it lies: the stride and odd sizes do not
//! matter.

use std::ops::Range;

use super::lanes::Lanes;
use super::memory::{Ahead, Lines, Scratch, View};
use super::shared::planes::Tensor;
use super::twin::{BySample, Launch, Twin};

/// Output channels of a piece.
const GROUP: usize = 64;

/// Multiply-adds that a piece should have at least.
const PIECE: usize = 2_000_000;

/// Weights of a pair of channels: nine taps and the shortcut.
const TAPS: usize = 10;

/// The dispatch.
pub struct ConvDownForward {
    x: Tensor,
    packed: View<f32>,
    packed_shortcut: View<f32>,
    y: Tensor,
    s: Tensor,
    channels: usize,
    outputs: usize,
    height: usize,
    width: usize,
    x_steps: [usize; 2], // floats from row to row, from plane to plane
    y_steps: [usize; 2],
    samples: usize,
    packed_stride: usize,
    slot: usize,
}

impl ConvDownForward {
    fn groups(&self) -> usize {
        self.outputs.div_ceil(GROUP)
    }

    fn samples_of_piece(&self) -> usize {
        let sample = self.height * self.width * self.channels * self.outputs.min(GROUP) * TAPS;
        PIECE.div_ceil(sample.max(1))
    }

    /// A tile of the 3x3 convolution, or of the shortcut, whose one tap is the centre: VECTORS of output channels x
    /// ROWS x 4 pixels. Order: c, then kh, then kw.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "indices say which pixel meets which weight")]
    unsafe fn tile<L: Lanes, const SHORTCUT: bool, const ROWS: usize, const VECTORS: usize>(
        &self,
        mut x: *const f32,
        mut weights: *const f32,
        to: Tile,
        other: *const f32,
        mut ahead: Lines,
    ) {
        let [row, plane] = self.x_steps;
        let next_vector = self.channels * TAPS * L::N;
        // SAFETY: the caller's.
        unsafe {
            let mut acc = [[[L::splat(0.0); 4]; VECTORS]; ROWS];
            for c in 0..self.channels {
                ahead.ask::<L>();
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
                    // Of x the next sample; of both outputs two channels, so that most lines are there when the sums
                    // are.
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
                        // As the shader does: what lies beyond the last column becomes 0 or -0.
                        *value = L::mul(*value, L::splat(if to.column + j < self.width { 1.0 } else { 0.0 }));
                    }
                    let rows = self.outputs - (to.k + v * L::N);
                    store_pixels::<L>(to.start.add(v * L::N * plane + i * row), plane, rows, masked);
                }
            }
        }
    }

    /// Both convolutions of a tile.
    #[inline(always)]
    unsafe fn both<L: Lanes, const ROWS: usize, const VECTORS: usize>(
        &self,
        x: *const f32,
        weights: *const f32,
        [y, s]: [Tile; 2],
        ahead: &mut Ahead,
    ) {
        // SAFETY: the caller's.
        unsafe {
            self.tile::<L, false, ROWS, VECTORS>(x, weights, y, s.start, ahead.lines());
            self.tile::<L, true, ROWS, VECTORS>(x, weights, s, y.start, ahead.lines());
        }
    }

    /// A sample's outputs from `k` on, `VECTORS` of them.
    #[inline(always)]
    unsafe fn sample<L: Lanes, const ROWS: usize, const VECTORS: usize>(
        &self,
        (replica, sample): (usize, usize),
        k: usize,
        weights: *const f32,
        ahead: &mut Ahead,
    ) {
        let of_x = self.x.start(replica, sample);
        let of_outputs = [&self.y, &self.s].map(|planes| planes.start(replica, sample));
        let mut h = 0;
        while h < self.height {
            let rows = if h + ROWS <= self.height { ROWS } else { 1 };
            for column in (0..self.width).step_by(4) {
                let x = of_x + 2 * h * self.x_steps[0] + 3 + 2 * column;
                let at = k * self.y_steps[1] + (h + 1) * self.y_steps[0] + 4 + column;
                // SAFETY: planes have a border, and rows to spare behind the last.
                unsafe {
                    let x = self.x.at(x);
                    let [y, s] = [self.y.at(of_outputs[0] + at), self.s.at(of_outputs[1] + at)];
                    let tiles = [y, s].map(|start| Tile { start, column, k });
                    if rows == ROWS {
                        self.both::<L, ROWS, VECTORS>(x, weights, tiles, ahead);
                    } else {
                        self.both::<L, 1, VECTORS>(x, weights, tiles, ahead);
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

/// Stores four pixels of `channels` planes (or N, if they are more), which `turned` holds as vectors over the channels.
///
/// # Safety
/// The pixels are there.
#[inline(always)]
pub unsafe fn store_pixels<L: Lanes>(to: *mut f32, plane: usize, channels: usize, turned: [L::V; 4]) {
    // SAFETY: the caller's.
    unsafe {
        if channels >= L::N {
            L::store_turned(to, plane, turned);
        } else {
            for (j, v) in turned.into_iter().enumerate() {
                let mut lanes = [0.0; 16];
                L::store(lanes.as_mut_ptr(), v);
                for (l, value) in lanes.into_iter().enumerate().take(channels) {
                    *to.add(l * plane + j) = value;
                }
            }
        }
    }
}

/// Copies the weights of a 3x3 and a 1x1 convolution from `[outer / 4][inner][taps][4]` to `[outer / N][inner][10][N]`:
/// those of `count` outer channels from `first` on; zeros where they end.
#[inline(always)]
pub fn repack<L: Lanes>(taps: &[f32], shortcut: &[f32], inner: usize, first: usize, count: usize, to: &mut [f32]) {
    for (v, to) in to.chunks_exact_mut(inner * TAPS * L::N).enumerate().take(count.div_ceil(L::N)) {
        for (i, to) in to.chunks_exact_mut(TAPS * L::N).enumerate() {
            for (tap, to) in to.chunks_exact_mut(L::N).enumerate() {
                for (q, to) in to.chunks_exact_mut(4).enumerate() {
                    let pair = ((first + v * L::N) / 4 + q) * inner + i;
                    let (from, at) = if tap < 9 { (taps, pair * 9 + tap) } else { (shortcut, pair) };
                    if v * L::N + 4 * q < count {
                        to.copy_from_slice(&from[4 * at..4 * at + 4]);
                    } else {
                        to.fill(0.0);
                    }
                }
            }
        }
    }
}

impl Twin for ConvDownForward {
    fn new(launch: &Launch<'_>) -> Self {
        let (x_plane, y_plane) = (launch.size("X_PLANE") * 4, launch.size("Y_PLANE") * 4);
        let of_y = launch.size("K") * y_plane;
        Self {
            x: launch.tensor(0, launch.size("C") * x_plane),
            packed: launch.floats(1),
            packed_shortcut: launch.floats(2),
            y: launch.tensor(3, of_y),
            s: launch.tensor(4, of_y),
            channels: launch.size("C"),
            outputs: launch.size("K"),
            height: launch.size("HEIGHT"),
            width: launch.size("WIDTH"),
            x_steps: [launch.size("X_ROW") * 4, x_plane],
            y_steps: [launch.size("Y_ROW") * 4, y_plane],
            samples: launch.samples(),
            packed_stride: launch.job().packed_stride as usize,
            slot: launch.slot(),
        }
    }

    fn pieces(&self) -> usize {
        self.samples.div_ceil(self.samples_of_piece()) * self.groups()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let first = piece % self.groups() * GROUP;
        let count = GROUP.min(self.outputs - first);
        let (weights, ahead) = scratch.floats_and_ahead(self.floats_of_weights::<L>(count));
        self.repack::<L>(replica, first, count, weights);
        let samples = self.samples_of_piece();
        let from = piece / self.groups() * samples;
        self.compute::<L>(replica, from..self.samples.min(from + samples), (first, weights), ahead);
    }
}

impl BySample for ConvDownForward {
    #[inline(always)]
    fn run_samples<L: Lanes>(&self, replica: usize, samples: Range<usize>, scratch: &mut Scratch) {
        let (weights, ahead) = scratch.kept_and_ahead(self.slot, self.floats_of_weights::<L>(self.outputs));
        if samples.start == 0 {
            self.repack::<L>(replica, 0, self.outputs, weights);
        }
        self.compute::<L>(replica, samples, (0, weights), ahead);
    }
}

impl ConvDownForward {
    fn floats_of_weights<L: Lanes>(&self, outputs: usize) -> usize {
        outputs.div_ceil(L::N) * self.channels * TAPS * L::N
    }

    /// The weights of `count` output channels from `first` on, as [`repack`] lays them out.
    #[inline(always)]
    fn repack<L: Lanes>(&self, replica: usize, first: usize, count: usize, weights: &mut [f32]) {
        let of_replica = replica * self.packed_stride;
        let quads = self.outputs.div_ceil(4) * self.channels * 4;
        // SAFETY: nobody writes the weights.
        let [taps, shortcut] = unsafe {
            let taps = self.packed.read(of_replica..of_replica + 9 * quads);
            [taps, self.packed_shortcut.read(of_replica..of_replica + quads)]
        };
        repack::<L>(taps, shortcut, self.channels, first, count, weights);
    }

    /// Samples and the output channels that `weights` are of, from `first` on.
    #[inline(always)]
    fn compute<L: Lanes>(
        &self,
        replica: usize,
        samples: Range<usize>,
        (first, weights): (usize, &[f32]),
        ahead: &mut Ahead,
    ) {
        let of_vector = self.channels * TAPS * L::N;
        let vectors = weights.len() / of_vector;
        for sample in samples.map(|sample| (replica, sample)) {
            let mut v = 0;
            while v < vectors {
                let pair = v + 2 <= vectors;
                // SAFETY: pieces write different samples, or different channels of them.
                unsafe {
                    let (k, weights) = (first + v * L::N, weights.as_ptr().add(v * of_vector));
                    match (pair, L::REGISTERS >= 32) {
                        (true, true) => self.sample::<L, 2, 2>(sample, k, weights, ahead),
                        (true, false) => self.sample::<L, 1, 2>(sample, k, weights, ahead),
                        (false, true) => self.sample::<L, 4, 1>(sample, k, weights, ahead),
                        (false, false) => self.sample::<L, 2, 1>(sample, k, weights, ahead),
                    }
                }
                v += if pair { 2 } else { 1 };
            }
        }
    }
}

//! Twin of shaders/conv_down_dinput.wgsl: the gradient of the input that a 3x3 and a 1x1 convolution of stride 2 share.
//!
//! Lanes are input channels, and each value of dy is broadcast straight from its plane. A tile is the part of dx that
//! four pixels of dy cover: two rows of eight pixels.

use std::ops::Range;

use super::conv_down_forward::store_pixels;
use super::lanes::Lanes;
use super::memory::{CacheLines, Prefetch, Scratch};
use super::shared::pair_weights::{PairWeights, Repacked, TAPS};
use super::shared::tensor::Tensor;
use super::twin::{BySample, Launch, Twin};

/// One dispatch of `conv_down_dinput`.
pub struct ConvDownDinput {
    dy: Tensor,
    ds: Tensor,
    weights: PairWeights,
    dx: Tensor,
    channels: usize,
    outputs: usize,
    height: usize,
    width: usize,
    x_steps: [usize; 2], // floats from row to row, from plane to plane
    y_steps: [usize; 2],
}

/// Where a tile reads dy, ds and the weights, and where it writes dx.
#[derive(Clone, Copy)]
struct Tile {
    dy: *const f32,
    ds: *const f32,
    weights: *const f32,
    dx: *mut f32,
    column: usize,
    /// Input channels from the first of the tile on.
    channels: usize,
}

impl ConvDownDinput {
    /// Computes the even row of dx, the odd row, or both. Order: k, then kh 1 (even rows) or 2, 0 (odd rows), then kw in
    /// the same way. The taps are stored in reverse.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const EVEN: bool, const ODD: bool>(&self, tile: Tile, mut lines: CacheLines) {
        let [row, plane] = self.y_steps;
        let Tile { mut dy, mut ds, mut weights, .. } = tile;
        // SAFETY: upheld by the caller.
        unsafe {
            let zero = L::splat(0.0);
            let [mut row0_even, mut row0_odd, mut row1_even, mut row1_odd, mut shortcut] = [[zero; 4]; 5];
            for k in 0..self.outputs {
                lines.prefetch_next::<L>();
                let mut w = [zero; 9];
                for (tap, w) in w.iter_mut().enumerate() {
                    *w = L::load(weights.add(tap * L::N));
                }
                let [w2, w1, w0, v2, v1, v0, u2, u1, u0] = w;
                let of_dx = tile.dx.wrapping_add(k % L::N * self.x_steps[1]);
                L::prefetch(of_dx);
                L::prefetch(of_dx.wrapping_add(self.x_steps[0]));
                // dy and ds of the next sample.
                L::prefetch(dy.wrapping_add(self.outputs * plane));
                L::prefetch(ds.wrapping_add(self.outputs * plane));
                for j in 0..5 {
                    let d = L::splat(*dy.add(j));
                    if j > 0 {
                        if EVEN {
                            row0_odd[j - 1] = L::mac(v0, d, row0_odd[j - 1]);
                        }
                        if ODD {
                            row1_odd[j - 1] = L::mac(w0, d, row1_odd[j - 1]);
                        }
                    }
                    if j < 4 {
                        if EVEN {
                            row0_even[j] = L::mac(v1, d, row0_even[j]);
                            row0_odd[j] = L::mac(v2, d, row0_odd[j]);
                        }
                        if ODD {
                            row1_even[j] = L::mac(w1, d, row1_even[j]);
                            row1_odd[j] = L::mac(w2, d, row1_odd[j]);
                        }
                    }
                }
                if ODD {
                    for j in 0..5 {
                        let below = L::splat(*dy.add(row + j));
                        if j > 0 {
                            row1_odd[j - 1] = L::mac(u0, below, row1_odd[j - 1]);
                        }
                        if j < 4 {
                            row1_even[j] = L::mac(u1, below, row1_even[j]);
                            row1_odd[j] = L::mac(u2, below, row1_odd[j]);
                        }
                    }
                }
                if EVEN {
                    let s = L::load(weights.add(9 * L::N));
                    for (j, shortcut) in shortcut.iter_mut().enumerate() {
                        *shortcut = L::mac(s, L::splat(*ds.add(j)), *shortcut);
                    }
                }
                dy = dy.add(plane);
                ds = ds.add(plane);
                weights = weights.add(TAPS * L::N);
            }
            if EVEN {
                for (even, shortcut) in row0_even.iter_mut().zip(shortcut) {
                    *even = L::add(*even, shortcut);
                }
                self.store::<L>(tile, tile.dx, row0_even, row0_odd);
            }
            if ODD {
                self.store::<L>(tile, tile.dx.add(self.x_steps[0]), row1_even, row1_odd);
            }
        }
    }

    /// Stores eight pixels of a row of dx, interleaved from even and odd columns.
    #[inline(always)]
    unsafe fn store<L: Lanes>(&self, tile: Tile, to: *mut f32, even: [L::V; 4], odd: [L::V; 4]) {
        let plane = self.x_steps[1];
        for half in 0..2 {
            let column = tile.column + 4 * half;
            if column < self.width {
                // SAFETY: upheld by the caller.
                unsafe {
                    let mut pixels = [even[2 * half], odd[2 * half], even[2 * half + 1], odd[2 * half + 1]];
                    for (j, pixel) in pixels.iter_mut().enumerate() {
                        // As in the shader, a value beyond the last column becomes 0 or -0.
                        *pixel = L::mul(*pixel, L::splat(if column + j < self.width { 1.0 } else { 0.0 }));
                    }
                    store_pixels::<L>(to.add(4 * half), plane, tile.channels, pixels);
                }
            }
        }
    }
}

impl Twin for ConvDownDinput {
    fn new(launch: &Launch<'_>) -> Self {
        let (x_plane, y_plane) = (launch.size("X_PLANE") * 4, launch.size("Y_PLANE") * 4);
        let (channels, outputs) = (launch.size("C"), launch.size("K"));
        let (height, width) = (launch.size("HEIGHT"), launch.size("WIDTH"));
        let of_y = outputs * y_plane;
        Self {
            dy: launch.tensor(0, of_y),
            ds: launch.tensor(1, of_y),
            weights: PairWeights::new(launch, 2, [channels, outputs], TAPS * height * width / 4),
            dx: launch.tensor(4, channels * x_plane),
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

impl BySample for ConvDownDinput {
    #[inline(always)]
    fn run_samples<L: Lanes>(&self, replica: usize, samples: Range<usize>, scratch: &mut Scratch) {
        let (weights, prefetch) = self.weights.of_loop::<L>(replica, samples.start == 0, scratch);
        self.compute::<L>(replica, samples, weights, prefetch);
    }
}

impl ConvDownDinput {
    /// Computes some samples for the input channels of the weights.
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
        let [[row, _], [x_row, x_plane]] = [self.y_steps, self.x_steps];
        for sample in samples {
            let [of_dy, of_ds, of_dx] = [&self.dy, &self.ds, &self.dx].map(|planes| planes.start(replica, sample));
            for (v, weights) in weights.chunks_exact(of_vector).enumerate() {
                let c = first + v * L::N;
                for h in (0..self.height).step_by(2) {
                    for column in (0..self.width).step_by(8) {
                        let of_pixel = (h / 2 + 1) * row + 4 + column / 2;
                        let tile = Tile {
                            dy: self.dy.at(of_dy + of_pixel),
                            ds: self.ds.at(of_ds + of_pixel),
                            weights: weights.as_ptr(),
                            dx: self.dx.at(of_dx + c * x_plane + (h + 1) * x_row + 4 + column),
                            column,
                            channels: self.channels - c,
                        };
                        let has_odd = h + 1 < self.height;
                        // SAFETY: planes have a border and spare rows after the last; pieces write different samples,
                        // or different channels of them.
                        unsafe {
                            if has_odd && L::REGISTERS >= 32 {
                                self.tile::<L, true, true>(tile, prefetch.lines());
                            } else {
                                self.tile::<L, true, false>(tile, prefetch.lines());
                                if has_odd {
                                    self.tile::<L, false, true>(tile, prefetch.lines());
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

//! Twin of shaders/conv1x1_dweight.wgsl: the weight gradient of a 1x1 convolution, one sum for each block of pixels.
//!
//! Lanes are output channels. The output gradient of a block is transposed once, from planes to `[vector][pixel][N]`; then a tile of a
//! few input channels stays in registers while the pixels pass in order.

#![allow(clippy::needless_range_loop, reason = "an index that several arrays of registers share")]

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::twin::{Launch, Twin};

/// Input channels in a tile.
const CHANNELS: usize = 8;

/// A piece should have at least this many multiply-adds.
const PIECE: usize = 1_000_000;

/// One dispatch of `conv1x1_dweight`. A piece is the blocks of some images.
pub struct Conv1x1Dweight {
    x: View<f32>,
    dy: View<f32>,
    partial: View<f32>,
    channels: usize,
    outputs: usize,
    height: usize,
    strips: usize,
    /// Images in a block.
    images: usize,
    samples: usize,
    image_blocks_of_piece: usize,
    /// Floats from a row to the next, and from a plane to the next.
    steps: [usize; 2],
}

impl Twin for Conv1x1Dweight {
    fn new(launch: &Launch<'_>) -> Self {
        let [channels, outputs, height, width] = ["C", "K", "HEIGHT", "WIDTH"].map(|name| launch.size(name));
        let images = launch.size("IMAGES");
        let of_block = images * channels * outputs * height * width;
        Self {
            x: launch.floats(0),
            dy: launch.floats(1),
            partial: launch.floats(2),
            channels,
            outputs,
            height,
            strips: width.div_ceil(4),
            images,
            samples: launch.samples(),
            image_blocks_of_piece: PIECE.div_ceil(of_block.max(1)),
            steps: [launch.size("ROW") * 4, launch.size("PLANE") * 4],
        }
    }

    fn pieces(&self) -> usize {
        self.image_blocks().div_ceil(self.image_blocks_of_piece)
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let first = piece * self.image_blocks_of_piece;
        let pixels = self.images.min(self.samples) * self.height * 4;
        let transposed = scratch.floats(self.outputs.div_ceil(L::N) * pixels * L::N).as_mut_ptr();
        for image_block in first..self.image_blocks().min(first + self.image_blocks_of_piece) {
            for strip in 0..self.strips {
                // SAFETY: pieces write different blocks and only read the rest; vectors lie inside the planes.
                unsafe { self.block::<L>(replica, image_block, strip, transposed) };
            }
        }
    }
}

impl Conv1x1Dweight {
    fn image_blocks(&self) -> usize {
        self.samples.div_ceil(self.images)
    }

    /// Index of the first pixel of a strip in plane `plane`.
    #[inline(always)]
    fn start(&self, plane: usize, strip: usize) -> usize {
        plane * self.steps[1] + self.steps[0] + 4 + 4 * strip
    }

    /// Computes a block.
    #[inline(always)]
    unsafe fn block<L: Lanes>(&self, replica: usize, image_block: usize, strip: usize, transposed: *mut f32) {
        let first = image_block * self.images;
        let images = self.images.min(self.samples - first);
        let sample = replica * self.samples + first;
        let of_vector = images * self.height * 4 * L::N;
        let block = (replica * self.image_blocks() + image_block) * self.strips + strip;
        let vectors = self.outputs.div_ceil(L::N);
        // SAFETY: upheld by the caller.
        unsafe {
            self.transpose::<L>(sample, images, strip, transposed);
            let to = self.partial.at(block * self.outputs * self.channels);
            for c in (0..self.channels).step_by(CHANNELS) {
                let mut v = 0;
                while v < vectors {
                    let dy = transposed.add(v * of_vector).cast_const();
                    if L::REGISTERS >= 32 && v + 2 <= vectors {
                        self.tile::<L, 2>([sample, images, strip], c, v * L::N, dy, to);
                        v += 2;
                    } else {
                        self.tile::<L, 1>([sample, images, strip], c, v * L::N, dy, to);
                        v += 1;
                    }
                }
            }
        }
    }

    /// Transposes dy of a block to `[vector][pixel][N]`. Lanes beyond the last channel are 0.
    #[inline(always)]
    unsafe fn transpose<L: Lanes>(&self, sample: usize, images: usize, strip: usize, mut to: *mut f32) {
        let [row, plane] = self.steps;
        for k in (0..self.outputs).step_by(L::N) {
            for n in sample..sample + images {
                for h in 0..self.height {
                    // SAFETY: upheld by the caller; channels beyond the last are not read.
                    unsafe {
                        let from = self.dy.at(self.start(n * self.outputs + k, strip) + h * row).cast_const();
                        if k + L::N <= self.outputs {
                            for (w, pixel) in L::load_transposed(from, plane).into_iter().enumerate() {
                                L::store(to.add(w * L::N), pixel);
                            }
                        } else {
                            for (w, l) in (0..4).flat_map(|w| (0..L::N).map(move |l| (w, l))) {
                                let value = if k + l < self.outputs { *from.add(l * plane + w) } else { 0.0 };
                                *to.add(w * L::N + l) = value;
                            }
                        }
                        to = to.add(4 * L::N);
                    }
                }
            }
        }
    }

    /// The sums of a block for [`CHANNELS`] input channels from `c` on and VECTORS vectors of output channels from `k` on. Order: image,
    /// row, column.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const VECTORS: usize>(
        &self,
        [sample, images, strip]: [usize; 3],
        c: usize,
        k: usize,
        mut dy: *const f32,
        to: *mut f32,
    ) {
        let next_vector = images * self.height * 4 * L::N;
        // Beyond the last channel, the last one is computed again and not stored.
        let channels: [usize; CHANNELS] = std::array::from_fn(|l| (c + l).min(self.channels - 1));
        // SAFETY: upheld by the caller.
        unsafe {
            let mut sums = [[L::splat(0.0); VECTORS]; CHANNELS];
            for n in sample..sample + images {
                let mut x = channels.map(|c| self.x.at(self.start(n * self.channels + c, strip)).cast_const());
                for _ in 0..self.height {
                    for w in 0..4 {
                        let mut d = [L::splat(0.0); VECTORS];
                        for v in 0..VECTORS {
                            d[v] = L::load(dy.add(v * next_vector));
                        }
                        for l in 0..CHANNELS {
                            let value = L::splat(*x[l].add(w));
                            for v in 0..VECTORS {
                                sums[l][v] = L::mac(d[v], value, sums[l][v]);
                            }
                        }
                        dy = dy.add(L::N);
                    }
                    x = x.map(|x| x.wrapping_add(self.steps[0]));
                }
            }
            for v in 0..VECTORS {
                let k = k + v * L::N;
                for l in (0..CHANNELS).step_by(4) {
                    let four = [sums[l][v], sums[l + 1][v], sums[l + 2][v], sums[l + 3][v]];
                    self.store::<L>(to, [k, c + l], four);
                }
            }
        }
    }

    /// Stores the sums of four input channels from `c` on, for the output channels from `k` on, as `[K][C]`.
    #[inline(always)]
    unsafe fn store<L: Lanes>(&self, to: *mut f32, [k, c]: [usize; 2], sums: [L::V; 4]) {
        // SAFETY: upheld by the caller; channels beyond the last are not written.
        unsafe {
            if k + L::N <= self.outputs && c + 4 <= self.channels {
                return L::store_transposed(to.add(k * self.channels + c), self.channels, sums);
            }
            for (c, sum) in (c..self.channels).zip(sums) {
                let mut lanes = [0.0; 16];
                L::store(lanes.as_mut_ptr(), sum);
                for (k, value) in (k..self.outputs).zip(lanes.into_iter().take(L::N)) {
                    *to.add(k * self.channels + c) = value;
                }
            }
        }
    }
}

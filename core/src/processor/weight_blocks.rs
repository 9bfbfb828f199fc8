//! Weight gradients of 3x3 convolutions, block by block (docs/ORDER.md): the code that `conv3x3_dweight` and
//! `conv_down_dweight` share, and the sums of their chains.
//!
//! Lanes are output channels. The output gradient is transposed once for each block, from planes to
//! `[vector][pixel][N]`. Then a tile of 9 taps x a few channels stays in registers while the pixels pass in order. A
//! row of a strip has 4 pixels x 3 taps, but only 6 values of x (9 at stride 2), so there are half as many loads as
//! multiply-adds.

mod chain_sum;

pub use chain_sum::ChainSum;

use std::ops::Range;

use super::lanes::Lanes;
use super::memory::{CacheLines, Prefetch, Scratch, View};
use super::shared::tensor::Tensor;

/// Output channels in a piece, few enough that their transposed gradient stays in the L2 cache.
const GROUP: usize = 64;

/// Floats of transposed gradient, few enough that they stay in the L2 cache until they are used.
const TRANSPOSED: usize = 131_072;

/// Chains that the blocks are added to: block b to chain b mod 8.
pub const CHAINS: usize = 8;

/// A piece should have at least this many multiply-adds.
const PIECE: usize = 2_000_000;

/// A dispatch should have at least this many pieces, so that many threads share it.
const ENOUGH: usize = 12;

/// A weight gradient, with all that it reads and writes. At `STRIDE` 1 it belongs to one layer. At 2 it belongs to two: a 3x3
/// convolution and a 1x1 convolution, whose one tap is the centre.
pub struct WeightBlocks<const STRIDE: usize> {
    /// Planes of the input.
    pub x: Tensor,
    /// Planes of the output gradient of the 3x3 convolution.
    pub dy: Tensor,
    /// Planes of the output gradient of the 1x1 convolution; not read at stride 1.
    pub ds: Tensor,
    /// Sums of the 9 taps of the 3x3 convolution, laid out as [`Keep`] says.
    pub taps: View<f32>,
    /// Sums of the 1x1 convolution, laid out in the same way; not written at stride 1.
    pub centre: View<f32>,
    /// Input channels C.
    pub channels: usize,
    /// Output channels K.
    pub outputs: usize,
    /// Height of dy in pixels.
    pub height: usize,
    /// Width of dy in pixels.
    pub width: usize,
    /// Number of strips, each of four columns.
    pub strips: usize,
    /// Images in a block.
    pub images: usize,
    /// Samples in the batch.
    pub samples: usize,
    /// Replicas of the dispatch.
    pub replicas: usize,
    /// Floats from a row of x to the next, and from a plane to the next.
    pub x_steps: [usize; 2],
    /// The same for dy and ds.
    pub y_steps: [usize; 2],
}

/// The sums of a tile, in registers.
struct Sums<L: Lanes, const VECTORS: usize, const TILE: usize> {
    taps: [[[L::V; VECTORS]; 9]; TILE], // [c][tap]
    centre: [[L::V; VECTORS]; TILE],
}

/// Where a row of a strip begins: x at the first tap of its first channel, the transposed gradients, and the floats from one vector
/// of output channels of these to the next.
struct RowOfStrip {
    x: *const f32,
    dy: *const f32,
    ds: *const f32,
    next_vector: usize,
}

/// What to do with the sums of a block.
#[derive(Clone, Copy)]
enum Put {
    /// Write them unchanged.
    Block,
    /// Begin a chain with them.
    First,
    /// Add them to a chain.
    Next,
}

/// Which sums a step leaves in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The sums of each block, `[R][blocks][K][C][taps]`, as the shaders write them.
    Blocks,
    /// The sums of each block, transposed: `[R][blocks][C][taps][K]`.
    TransposedBlocks,
    /// The sums of each chain, transposed: `[R][blocks][C][taps][K]`, of which only the first eight are used.
    TransposedChains,
}

/// How the work of a replica is split: the most that a piece has of each.
struct Split {
    image_blocks: usize,
    /// Consecutive chains; adjacent strips share cache lines.
    chains: usize,
    /// Input channels.
    channels: usize,
}

/// Adjacent blocks and some output channels. Strips and output channels are `[start, end]`.
#[derive(Clone, Copy)]
struct Part {
    replica: usize,
    image_block: usize,
    strips: [usize; 2],
    outputs: [usize; 2],
}

/// A block of one replica, and where its sums go.
#[derive(Clone, Copy)]
struct Block {
    put: Put,
    images: usize,
    /// Whether at most two of the four columns lie inside the image.
    half: bool,
    x: *const f32,
    taps: *mut f32,
    centre: *mut f32,
}

impl<const STRIDE: usize> WeightBlocks<STRIDE> {
    /// Number of blocks per replica.
    fn blocks(&self) -> usize {
        self.strips * self.image_blocks()
    }

    fn image_blocks(&self) -> usize {
        self.samples.div_ceil(self.images)
    }

    fn groups(&self) -> usize {
        self.outputs.div_ceil(GROUP)
    }

    /// Which sums a step keeps for [`ChainSum`]. Chains are fewer than blocks, but a piece that computes only some strips
    /// of an image uses only parts of the cache lines that it reads. If that would happen, and if a block reads at least
    /// as many values as it has sums, the sums of each block are kept.
    pub fn transposed(&self) -> Keep {
        let sums = 9 * self.channels * self.outputs;
        let values = self.images * self.height * 4 * (self.channels * STRIDE * STRIDE + self.outputs * STRIDE);
        let pieces = self.replicas * self.groups() * (CHAINS / self.strips).max(1);
        if self.strips > 2 && pieces < ENOUGH && sums <= values {
            Keep::TransposedBlocks
        } else {
            Keep::TransposedChains
        }
    }

    /// Number of blocks or chains whose sums a replica has after a step that keeps `keep`.
    pub fn slots(&self, keep: Keep) -> usize {
        if keep == Keep::TransposedChains { CHAINS.min(self.blocks()) } else { self.blocks() }
    }

    /// Multiply-adds of one image block and one group of output channels.
    fn work(&self) -> usize {
        self.strips * self.images * self.height * 4 * self.channels * self.outputs.min(GROUP) * 9
    }

    /// Chooses how to split the work of a replica into pieces.
    fn split(&self, keep: Keep) -> Split {
        let mut split = Split { image_blocks: self.image_blocks(), chains: CHAINS, channels: self.channels };
        if keep != Keep::TransposedChains {
            split.image_blocks = PIECE.div_ceil(self.work());
            return split;
        }
        let mut work = self.work() * self.image_blocks();
        while self.replicas * self.pieces_of(&split) < ENOUGH && work >= 2 * PIECE {
            // The cheapest split first. Splitting chains that share no cache line costs nothing, splitting input channels
            // transposes dy again, splitting the other chains reads cache lines again.
            if split.chains > self.strips.max(1) && split.chains > 1 {
                split.chains /= 2;
            } else if split.channels >= 32 {
                split.channels = (split.channels / 2).next_multiple_of(16);
            } else if split.chains > 1 {
                split.chains /= 2;
            } else {
                break;
            }
            work /= 2;
        }
        split
    }

    fn pieces_of(&self, split: &Split) -> usize {
        let Split { image_blocks, chains, channels } = split;
        let chains = CHAINS.min(self.blocks()).div_ceil(*chains);
        self.groups() * self.channels.div_ceil(*channels) * chains * self.image_blocks().div_ceil(*image_blocks)
    }

    /// Number of pieces per replica.
    pub fn pieces(&self, keep: Keep) -> usize {
        self.pieces_of(&self.split(keep))
    }

    /// Computes and stores the sums of a piece.
    #[inline(always)]
    pub fn run<L: Lanes>(&self, keep: Keep, replica: usize, piece: usize, scratch: &mut Scratch) {
        let split = self.split(keep);
        let (group, piece) = (piece % self.groups(), piece / self.groups());
        let part_count = self.channels.div_ceil(split.channels);
        let (part, piece) = (piece % part_count, piece / part_count);
        let chain_count = CHAINS.min(self.blocks()).div_ceil(split.chains);
        let (own, piece) = (piece % chain_count, piece / chain_count);
        let outputs = group * GROUP..self.outputs.min((group + 1) * GROUP);
        let channels = part * split.channels..self.channels.min((part + 1) * split.channels);
        let first = piece * split.image_blocks;
        let most = self.transposed_at_once(outputs.len());
        for image_block in first..self.image_blocks().min(first + split.image_blocks) {
            let is_own = |strip: usize| (image_block * self.strips + strip) % CHAINS / split.chains == own;
            let mut strip = 0;
            while strip < self.strips {
                let mut end = strip;
                while end < self.strips && end - strip < most && is_own(end) {
                    end += 1;
                }
                if end > strip {
                    let outputs = [outputs.start, outputs.end];
                    let part = Part { replica, image_block, strips: [strip, end], outputs };
                    self.run_strips::<L>(keep, part, [channels.start, channels.end], scratch);
                }
                strip = end.max(strip + 1);
            }
        }
    }

    /// Computes and stores the sums of some samples. They begin with a block and end with a block or with the batch.
    #[inline(always)]
    pub fn run_samples<L: Lanes>(&self, keep: Keep, replica: usize, samples: Range<usize>, scratch: &mut Scratch) {
        for image_block in samples.start / self.images..samples.end.div_ceil(self.images) {
            for first in (0..self.outputs).step_by(GROUP) {
                let outputs = [first, self.outputs.min(first + GROUP)];
                let at_once = self.transposed_at_once(outputs[1] - outputs[0]);
                for strip in (0..self.strips).step_by(at_once) {
                    let strips = [strip, self.strips.min(strip + at_once)];
                    let part = Part { replica, image_block, strips, outputs };
                    self.run_strips::<L>(keep, part, [0, self.channels], scratch);
                }
            }
        }
    }

    /// Number of strips to transpose at once, so that they stay in the L2 cache.
    fn transposed_at_once(&self, outputs: usize) -> usize {
        (TRANSPOSED / (self.images * self.height * 4 * outputs * STRIDE)).max(1)
    }

    /// Computes adjacent blocks for some input and output channels.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn run_strips<L: Lanes>(&self, keep: Keep, part: Part, channels: [usize; 2], scratch: &mut Scratch) {
        let Part { replica, image_block, strips: [first_strip, end_strip], outputs: [first_output, end_output] } = part;
        let first = image_block * self.images;
        let images = self.images.min(self.samples - first);
        let vectors = (end_output - first_output).div_ceil(L::N);
        let pixels = images * self.height * 4;
        let of_strip = vectors * pixels * L::N;
        let length = (end_strip - first_strip) * of_strip;
        let of_x = self.x.start(replica, first);
        let [of_dy, of_ds] = [&self.dy, &self.ds].map(|planes| planes.start(replica, first) + self.y_steps[0] + 4);
        // SAFETY: all accesses lie in the views, whose planes have a border and spare rows after the last; pieces write
        // different blocks or chains, or different channels of them.
        unsafe {
            let transposed = scratch.floats(length * STRIDE).as_mut_ptr();
            let of_centre = transposed.add(length * (STRIDE - 1));
            self.transpose::<L>(self.dy.at(of_dy), part, images, transposed);
            if STRIDE == 2 {
                self.transpose::<L>(self.ds.at(of_ds), part, images, of_centre);
            }
            for strip in first_strip..end_strip {
                let block = image_block * self.strips + strip;
                let (slot, put) = match keep {
                    Keep::Blocks => (block, Put::Block),
                    Keep::TransposedBlocks => (block, Put::First),
                    Keep::TransposedChains => (block % CHAINS, if block < CHAINS { Put::First } else { Put::Next }),
                };
                let sums = (replica * self.blocks() + slot) * self.outputs * self.channels;
                let x = self.x.at(of_x + 3 + 4 * STRIDE * strip);
                let centre = if STRIDE == 2 { self.centre.at(sums) } else { self.taps.at(0) };
                let half = STRIDE == 1 && keep != Keep::Blocks && self.width - 4 * strip <= 2;
                let block = Block { put, images, half, x, taps: self.taps.at(sums * 9), centre };
                let mut v = 0;
                while v < vectors {
                    let from = (strip - first_strip) * of_strip + v * pixels * L::N;
                    let (dy, ds) = (transposed.add(from), of_centre.add(from));
                    let k = first_output + v * L::N;
                    if L::REGISTERS >= 32 && v + 2 <= vectors {
                        self.all_inputs::<L, 2, 1>(block, k, channels, [dy, ds], &mut scratch.prefetch);
                        v += 2;
                    } else if L::REGISTERS >= 32 {
                        self.all_inputs::<L, 1, 2>(block, k, channels, [dy, ds], &mut scratch.prefetch);
                        v += 1;
                    } else {
                        self.all_inputs::<L, 1, 1>(block, k, channels, [dy, ds], &mut scratch.prefetch);
                        v += 1;
                    }
                }
            }
        }
    }

    /// Transposes blocks of planes, whose image begins at `from`, to `[strip][vector][pixel][N]`. Lanes beyond the last
    /// channel are 0.
    #[inline(always)]
    unsafe fn transpose<L: Lanes>(&self, from: *const f32, part: Part, images: usize, to: *mut f32) {
        let [row, plane] = self.y_steps;
        let Part { strips: [first_strip, end_strip], outputs: [first_output, end_output], .. } = part;
        let of_vector = images * self.height * 4 * L::N;
        let vectors = (end_output - first_output).div_ceil(L::N);
        for v in 0..vectors {
            let k = first_output + v * L::N;
            for i in 0..images {
                for h in 0..self.height {
                    for strip in first_strip..end_strip {
                        // SAFETY: upheld by the caller; channels beyond the last are not read.
                        unsafe {
                            let from = from.add((i * self.outputs + k) * plane + h * row + 4 * strip);
                            let to = to.add(((strip - first_strip) * vectors + v) * of_vector);
                            let to = to.add((i * self.height + h) * 4 * L::N);
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
                        }
                    }
                }
            }
        }
    }

    /// Computes input channels `c..end` for the output channels from `k` on.
    #[inline(always)]
    unsafe fn all_inputs<L: Lanes, const VECTORS: usize, const TILE: usize>(
        &self,
        block: Block,
        k: usize,
        [mut c, end]: [usize; 2],
        from: [*const f32; 2],
        prefetch: &mut Prefetch,
    ) {
        // SAFETY: upheld by the caller.
        unsafe {
            while c + TILE <= end {
                let sums = if STRIDE == 1 && block.half {
                    self.tile::<L, VECTORS, TILE, true>(block, c, from, prefetch.lines())
                } else {
                    self.tile::<L, VECTORS, TILE, false>(block, c, from, prefetch.lines())
                };
                self.put(block, k, c, &sums);
                c += TILE;
            }
            while TILE > 1 && c < end {
                let sums = self.tile::<L, VECTORS, 1, false>(block, c, from, prefetch.lines());
                self.put(block, k, c, &sums);
                c += 1;
            }
        }
    }

    /// The sums of a block. Order: image, row, column.
    ///
    /// `HALF` skips the two columns of a strip that lie beyond the image. There dy is 0, and so is x, except at the left
    /// tap of the first of these columns. That tap is kept, so that a NaN shows. A sum may be -0 instead of 0, which
    /// makes no difference to a chain.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const VECTORS: usize, const TILE: usize, const HALF: bool>(
        &self,
        block: Block,
        c: usize,
        [mut dy, mut ds]: [*const f32; 2],
        mut lines: CacheLines,
    ) -> Sums<L, VECTORS, TILE> {
        let [row, plane] = self.x_steps;
        // Floats to the same channel of the next image block.
        let next_block = block.images * self.channels * plane;
        let next_vector = block.images * self.height * 4 * L::N;
        // SAFETY: upheld by the caller.
        unsafe {
            let zero = L::splat(0.0);
            let mut taps = [[[zero; VECTORS]; 9]; TILE];
            let mut centre = [[zero; VECTORS]; TILE];
            for i in 0..block.images {
                let mut x = block.x.add((i * self.channels + c) * plane);
                for _ in 0..self.height {
                    lines.prefetch_next::<L>();
                    for l in 0..TILE {
                        L::prefetch(x.wrapping_add(next_block + l * plane));
                    }
                    if L::HAS_ROWS && (STRIDE, VECTORS, TILE, HALF) == (1, 1, 1, false) {
                        // With VECTORS and TILE 1, these are nine vectors.
                        L::row_of_strip(&mut *(&raw mut taps).cast::<[L::V; 9]>(), x, row, dy);
                    } else {
                        let from = RowOfStrip { x, dy, ds, next_vector };
                        self.add_row::<L, VECTORS, TILE, HALF>(&mut taps, &mut centre, from);
                    }
                    dy = dy.add(4 * L::N);
                    ds = ds.add(if STRIDE == 1 { 0 } else { 4 * L::N });
                    x = x.add(STRIDE * row);
                }
            }
            Sums { taps, centre }
        }
    }

    /// Adds a row of a strip to the sums of a tile.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "indices say which pixel meets which tap")]
    unsafe fn add_row<L: Lanes, const VECTORS: usize, const TILE: usize, const HALF: bool>(
        &self,
        taps: &mut [[[L::V; VECTORS]; 9]; TILE],
        centre: &mut [[L::V; VECTORS]; TILE],
        RowOfStrip { x, dy, ds, next_vector }: RowOfStrip,
    ) {
        let [row, plane] = self.x_steps;
        // SAFETY: upheld by the caller.
        unsafe {
            let mut d = [[L::splat(0.0); VECTORS]; 4];
            for w in 0..4 {
                for v in 0..VECTORS {
                    d[w][v] = L::load(dy.add(v * next_vector + w * L::N));
                }
            }
            for l in 0..TILE {
                for kh in 0..3 {
                    let at = x.add(l * plane + kh * row);
                    // Tap kw of pixel w meets value j = w STRIDE + kw: for each tap the pixels come in order.
                    for j in 0..3 * STRIDE + 3 {
                        let value = L::splat(*at.add(j));
                        for kw in 0..3 {
                            let is_met = j >= kw && (j - kw) % STRIDE == 0 && (j - kw) / STRIDE < 4;
                            if is_met && !(HALF && j - kw > if kw == 0 { 2 } else { 1 }) {
                                let tap = &mut taps[l][kh * 3 + kw];
                                for v in 0..VECTORS {
                                    tap[v] = L::mac(d[(j - kw) / STRIDE][v], value, tap[v]);
                                }
                            }
                        }
                        if STRIDE == 2 && kh == 1 && j % 2 == 1 {
                            for v in 0..VECTORS {
                                let d = L::load(ds.add(v * next_vector + j / 2 * L::N));
                                centre[l][v] = L::mac(d, value, centre[l][v]);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Stores the sums of a tile.
    #[inline(always)]
    unsafe fn put<L: Lanes, const VECTORS: usize, const TILE: usize>(
        &self,
        block: Block,
        k: usize,
        c: usize,
        sums: &Sums<L, VECTORS, TILE>,
    ) {
        for l in 0..TILE {
            for v in 0..VECTORS {
                let k = k + v * L::N;
                // SAFETY: upheld by the caller.
                unsafe {
                    for tap in 0..9 {
                        self.put_vector::<L, 9>(block.put, block.taps, [k, (c + l) * 9 + tap], sums.taps[l][tap][v]);
                    }
                    if STRIDE == 2 {
                        self.put_vector::<L, 1>(block.put, block.centre, [k, c + l], sums.centre[l][v]);
                    }
                }
            }
        }
    }

    /// Stores element `e` of `[C][taps]` for the output channels from `k` on.
    #[inline(always)]
    unsafe fn put_vector<L: Lanes, const TAPS: usize>(&self, put: Put, to: *mut f32, [k, e]: [usize; 2], sum: L::V) {
        // SAFETY: upheld by the caller; channels beyond the last are neither read nor written.
        unsafe {
            match put {
                Put::Block => {
                    let mut lanes = [0.0; 16];
                    L::store(lanes.as_mut_ptr(), sum);
                    for (l, value) in lanes.into_iter().enumerate().take(L::N.min(self.outputs - k)) {
                        *to.add((k + l) * self.channels * TAPS + e) = value;
                    }
                }
                Put::First | Put::Next => {
                    let to = to.add(e * self.outputs + k);
                    let count = L::N.min(self.outputs - k);
                    let mut old = L::splat(0.0);
                    if matches!(put, Put::Next) {
                        old = if count == L::N {
                            L::load(to)
                        } else {
                            let mut lanes = [0.0; 16];
                            std::ptr::copy_nonoverlapping(to, lanes.as_mut_ptr(), count);
                            L::load(lanes.as_ptr())
                        };
                    }
                    let new = L::add(old, sum);
                    if count == L::N { L::store(to, new) } else { L::store_first(to, count, new) }
                }
            }
        }
    }
}

/// Adds eight chains: `((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7))`.
///
/// # Safety
/// See [`Lanes`].
#[inline(always)]
pub unsafe fn sum_chains<L: Lanes>(v: [L::V; CHAINS]) -> L::V {
    // SAFETY: upheld by the caller.
    unsafe {
        let low = L::add(L::add(v[0], v[1]), L::add(v[2], v[3]));
        let high = L::add(L::add(v[4], v[5]), L::add(v[6], v[7]));
        L::add(low, high)
    }
}

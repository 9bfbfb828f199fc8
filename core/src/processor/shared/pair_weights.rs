//! The weights of a 3x3 and a 1x1 convolution of the same input, laid out for twins whose lanes are channels, and the split of
//! these twins into pieces.

use std::ops::Range;

use crate::processor::lanes::Lanes;
use crate::processor::memory::{Prefetch, Scratch, View};
use crate::processor::twin::Launch;

/// Outer channels in a piece.
const GROUP: usize = 64;

/// A piece should have at least this many multiply-adds.
const PIECE: usize = 2_000_000;

/// Weights for each pair of channels: nine taps and the shortcut.
pub const TAPS: usize = 10;

/// Packed weights `[outer / 4][inner][taps][4]`. Lanes are outer channels: output channels in the forward pass, input channels in
/// the input gradient.
pub struct PairWeights {
    taps: View<f32>,
    shortcut: View<f32>,
    /// Floats from a replica's packed weights to the next one's.
    stride: usize,
    outer: usize,
    inner: usize,
    samples: usize,
    samples_of_piece: usize,
    slot: usize,
}

/// Weights `[outer / N][inner][10][N]` of some outer channels.
pub struct Repacked<'a> {
    /// The first outer channel.
    pub first: usize,
    /// The weights; 0 beyond the last channel.
    pub weights: &'a [f32],
}

impl PairWeights {
    /// The weights in bindings `binding` and `binding + 1`. A sample takes `multiply_adds` for each pair of channels.
    pub fn new(launch: &Launch<'_>, binding: usize, [outer, inner]: [usize; 2], multiply_adds: usize) -> Self {
        let sample = multiply_adds * inner * outer.min(GROUP);
        Self {
            taps: launch.floats(binding),
            shortcut: launch.floats(binding + 1),
            stride: launch.job().packed_stride as usize,
            outer,
            inner,
            samples: launch.samples(),
            samples_of_piece: PIECE.div_ceil(sample.max(1)),
            slot: launch.slot(),
        }
    }

    fn groups(&self) -> usize {
        self.outer.div_ceil(GROUP)
    }

    /// Number of pieces per replica. A piece has some samples and a group of outer channels.
    pub fn pieces(&self) -> usize {
        self.samples.div_ceil(self.samples_of_piece) * self.groups()
    }

    /// The samples of a piece.
    pub fn samples(&self, piece: usize) -> Range<usize> {
        let first = piece / self.groups() * self.samples_of_piece;
        first..self.samples.min(first + self.samples_of_piece)
    }

    /// Floats from a vector of outer channels to the next.
    #[inline(always)]
    pub fn of_vector<L: Lanes>(&self) -> usize {
        self.inner * TAPS * L::N
    }

    /// The weights of a piece, and [`Scratch::prefetch`].
    #[inline(always)]
    pub fn of_piece<'a, L: Lanes>(
        &self,
        replica: usize,
        piece: usize,
        scratch: &'a mut Scratch,
    ) -> (Repacked<'a>, &'a mut Prefetch) {
        let first = piece % self.groups() * GROUP;
        let count = GROUP.min(self.outer - first);
        let (weights, prefetch) = scratch.floats_and_prefetch(count.div_ceil(L::N) * self.of_vector::<L>());
        self.repack::<L>(replica, first, count, weights);
        (Repacked { first, weights }, prefetch)
    }

    /// All weights, which a sample loop lays out in its first group and keeps for the others, and [`Scratch::prefetch`].
    #[inline(always)]
    pub fn of_loop<'a, L: Lanes>(
        &self,
        replica: usize,
        is_first_group: bool,
        scratch: &'a mut Scratch,
    ) -> (Repacked<'a>, &'a mut Prefetch) {
        let floats = self.outer.div_ceil(L::N) * self.of_vector::<L>();
        let (weights, prefetch) = scratch.kept_and_prefetch(self.slot, floats);
        if is_first_group {
            self.repack::<L>(replica, 0, self.outer, weights);
        }
        (Repacked { first: 0, weights }, prefetch)
    }

    /// Lays out `count` outer channels from `first` on.
    #[inline(always)]
    fn repack<L: Lanes>(&self, replica: usize, first: usize, count: usize, to: &mut [f32]) {
        let of_replica = replica * self.stride;
        let quads = self.outer.div_ceil(4) * self.inner * 4;
        // SAFETY: the dispatch only reads the weights.
        let [taps, shortcut] = unsafe {
            let taps = self.taps.read(of_replica..of_replica + 9 * quads);
            [taps, self.shortcut.read(of_replica..of_replica + quads)]
        };
        for (v, to) in to.chunks_exact_mut(self.of_vector::<L>()).enumerate() {
            for (i, to) in to.chunks_exact_mut(TAPS * L::N).enumerate() {
                for (tap, to) in to.chunks_exact_mut(L::N).enumerate() {
                    for (q, to) in to.chunks_exact_mut(4).enumerate() {
                        let pair = ((first + v * L::N) / 4 + q) * self.inner + i;
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
}

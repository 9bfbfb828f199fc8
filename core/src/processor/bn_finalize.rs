//! Twin of shaders/bn_finalize.wgsl: merges a channel's leaves into batch mean and variance and moves the running
//! statistics.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::chan::merge;
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};

/// One dispatch of `bn_finalize`. A piece is several channels.
pub struct BnFinalize {
    leaves: View<f32>,
    scale: View<f32>,
    shift: View<f32>,
    running: View<f32>,
    channels: View<f32>,
    c: usize,
    height: usize,
    width: usize,
    images: usize,
    samples: usize,
    epsilon: f32,
    momentum: f32,
    parameter_stride: usize,
    running_stride: usize,
    mean_to_variance: usize,
    pieces: Pieces,
}

impl Twin for BnFinalize {
    fn new(launch: &Launch<'_>) -> Self {
        let mut this = Self {
            leaves: launch.floats(0),
            scale: launch.floats(1),
            shift: launch.floats(2),
            running: launch.floats(3),
            channels: launch.floats(4),
            c: launch.size("C"),
            height: launch.size("HEIGHT"),
            width: launch.size("WIDTH"),
            images: launch.size("IMAGES"),
            samples: launch.samples(),
            epsilon: launch.float("EPSILON"),
            momentum: launch.float("MOMENTUM"),
            parameter_stride: launch.job().parameter_stride as usize,
            running_stride: launch.job().running_stride as usize,
            mean_to_variance: launch.argument("mean_to_variance"),
            pieces: Pieces::new(0, 0),
        };
        this.pieces = Pieces::new(this.c, 4 * this.leaves_of_channel());
        this
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let counts = scratch.floats(self.leaves_of_channel());
        self.count(counts);
        for c in self.pieces.range(piece) {
            let channel = replica * self.c + c;
            let floats = 2 * counts.len();
            // SAFETY: the dispatch only reads leaves.
            let leaves = unsafe { self.leaves.read(channel * floats..(channel + 1) * floats) };
            let [count, mean, m2] = merge::<L>(counts, leaves);
            let parameter = replica * self.parameter_stride + c;
            let statistic = replica * self.running_stride + c;
            // SAFETY: the dispatch only reads scale and shift, and only this piece accesses this channel of the outputs.
            unsafe {
                let variance = m2 / count;
                self.channels.write(4 * channel..4 * channel + 4).copy_from_slice(&[
                    mean,
                    1.0 / (variance + self.epsilon).sqrt(),
                    self.scale.read(parameter..parameter + 1)[0],
                    self.shift.read(parameter..parameter + 1)[0],
                ]);
                let unbiased = m2 / if count - 1.0 > 1.0 { count - 1.0 } else { 1.0 };
                for (at, new) in [(statistic, mean), (statistic + self.mean_to_variance, unbiased)] {
                    let running = &mut self.running.write(at..at + 1)[0];
                    *running = L::mac1(self.momentum, new - *running, *running);
                }
            }
        }
    }
}

impl BnFinalize {
    fn leaves_of_channel(&self) -> usize {
        self.height * self.width.div_ceil(4) * self.samples.div_ceil(self.images)
    }

    /// Sets the number of values in each leaf of a channel.
    #[inline(always)]
    fn count(&self, counts: &mut [f32]) {
        let quads = self.width.div_ceil(4);
        for (chunk, counts) in counts.chunks_exact_mut(self.height * quads).enumerate() {
            let images = self.images.min(self.samples - chunk * self.images);
            counts.fill((images * 4) as f32);
            if !self.width.is_multiple_of(4) {
                for row in counts.chunks_exact_mut(quads) {
                    row[quads - 1] = (images * (self.width % 4)) as f32;
                }
            }
        }
    }
}

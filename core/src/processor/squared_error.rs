//! Twin of shaders/squared_error.wgsl: squared error of each sample.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::math::{clamp, is_finite, nan_unless};
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};

/// A logit takes as long as this many floats of an elementwise pass.
const FLOATS: usize = 8;

/// One dispatch of `squared_error`. A piece is several samples.
pub struct SquaredError {
    logits: View<f32>,
    labels: View<u32>,
    dlogits: View<f32>,
    scores: View<f32>,
    classes: usize,
    samples: usize,
    pieces: Pieces,
}

impl Twin for SquaredError {
    fn new(launch: &Launch<'_>) -> Self {
        let (classes, samples) = (launch.size("K"), launch.samples());
        Self {
            logits: launch.floats(0),
            labels: launch.words(1),
            dlogits: launch.floats(2),
            scores: launch.floats(3),
            classes,
            samples,
            pieces: Pieces::new(samples, FLOATS * classes),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _scratch: &mut Scratch) {
        let classes = self.classes;
        for n in self.pieces.range(piece) {
            let sample = replica * self.samples + n;
            let range = sample * classes..(sample + 1) * classes;
            // SAFETY: the dispatch only reads logits and labels, and only this piece accesses this sample's outputs.
            let (logits, label, dlogits, score) = unsafe {
                (
                    self.logits.read(range.clone()),
                    self.labels.read(n..n + 1)[0] as usize,
                    self.dlogits.write(range),
                    self.scores.write(2 * sample..2 * sample + 2),
                )
            };
            let (mut largest, mut argmax, mut sum) = (logits[0], 0, 0.0);
            for (k, (dlogit, logit)) in dlogits.iter_mut().zip(logits).enumerate() {
                if *logit > largest {
                    (largest, argmax) = (*logit, k);
                }
                let residual = *logit - if k == label { 1.0 } else { 0.0 };
                *dlogit = residual / self.samples as f32;
                // Bounded, so that the sum over a batch does not overflow.
                let bounded = clamp(residual, -1e15, 1e15);
                sum = L::mac1(bounded, bounded, sum);
            }
            let is_sound = logits.iter().all(|logit| is_finite(*logit));
            score[0] = nan_unless(is_sound, 0.5 * sum);
            score[1] = if argmax == label { 1.0 } else { 0.0 };
        }
    }
}

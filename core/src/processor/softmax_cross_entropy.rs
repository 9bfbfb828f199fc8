//! Twin of shaders/softmax_cross_entropy.wgsl: softmax and cross-entropy of each sample.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::math::{exp_finite, is_finite, log_positive, nan_unless};
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};

/// A logit takes as long as this many floats of an elementwise pass.
const FLOATS: usize = 32;

/// One dispatch of `softmax_cross_entropy`. A piece is several samples.
pub struct SoftmaxCrossEntropy {
    logits: View<f32>,
    labels: View<u32>,
    dlogits: View<f32>,
    scores: View<f32>,
    classes: usize,
    samples: usize,
    pieces: Pieces,
}

impl Twin for SoftmaxCrossEntropy {
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
            let (mut largest, mut argmax) = (logits[0], 0);
            for (k, logit) in logits.iter().enumerate() {
                if *logit > largest {
                    (largest, argmax) = (*logit, k);
                }
            }
            let mut sum = 0.0;
            for (dlogit, logit) in dlogits.iter_mut().zip(logits) {
                *dlogit = exp_finite::<L>(*logit - largest);
                sum += *dlogit;
            }
            for (k, dlogit) in dlogits.iter_mut().enumerate() {
                let p = *dlogit / sum;
                *dlogit = (p - if k == label { 1.0 } else { 0.0 }) / self.samples as f32;
            }
            let is_sound = logits.iter().all(|logit| is_finite(*logit));
            // Bounded, so that the sum over a batch does not overflow.
            let loss = log_positive::<L>(sum) + (largest - logits[label]).min(1e30);
            score[0] = nan_unless(is_sound, loss);
            score[1] = if argmax == label { 1.0 } else { 0.0 };
        }
    }
}

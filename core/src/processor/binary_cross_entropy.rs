//! Twin of shaders/binary_cross_entropy.wgsl: sigmoid and binary cross-entropy of each sample.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::math::{is_finite, log1p_exp_neg_abs, nan_unless, sigmoid};
use super::twin::{Launch, Twin};

/// One dispatch of `binary_cross_entropy`, one piece per replica.
pub struct BinaryCrossEntropy {
    logits: View<f32>,
    labels: View<u32>,
    dlogits: View<f32>,
    scores: View<f32>,
    samples: usize,
}

impl Twin for BinaryCrossEntropy {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            logits: launch.floats(0),
            labels: launch.words(1),
            dlogits: launch.floats(2),
            scores: launch.floats(3),
            samples: launch.samples(),
        }
    }

    fn pieces(&self) -> usize {
        1
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, _piece: usize, _scratch: &mut Scratch) {
        let first = replica * self.samples;
        // SAFETY: the dispatch only reads logits and labels, and only this piece accesses this replica's outputs.
        let (logits, labels, dlogits, scores) = unsafe {
            (
                self.logits.read(first..first + self.samples),
                self.labels.read(0..self.samples),
                self.dlogits.write(first..first + self.samples),
                self.scores.write(2 * first..2 * (first + self.samples)),
            )
        };
        for n in 0..self.samples {
            let (logit, label) = (logits[n], labels[n] as f32);
            dlogits[n] = (sigmoid::<L>(logit) - label) / self.samples as f32;
            // Bounded, so that the sum over a batch does not overflow.
            let loss = (logit.max(0.0) - logit * label).min(1e30) + log1p_exp_neg_abs::<L>(logit);
            scores[2 * n] = nan_unless(is_finite(logit), loss);
            scores[2 * n + 1] = if (logit > 0.0) == (label > 0.5) { 1.0 } else { 0.0 };
        }
    }
}

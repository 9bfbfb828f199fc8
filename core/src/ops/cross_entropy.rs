//! Losses. One pass computes the loss, its gradient by the logits and the number of correct answers.

use super::workgroups;
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// The loss function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Cross-entropy of the softmax over the classes.
    SoftmaxCrossEntropy,
    /// Binary cross-entropy of the sigmoid of one logit.
    SigmoidBinaryCrossEntropy,
    /// Half the squared distance of the logits from the one-hot vector of the label, summed over the classes.
    SquaredError,
}

/// The loss's bindings.
#[derive(Clone, Copy, Debug)]
pub struct Bindings {
    /// Logits `[R][N][K]`.
    pub logits: Binding,
    /// Labels, `[N]` words.
    pub labels: Binding,
    /// Gradient of the batch's mean loss by the logits, `[R][N][K]`.
    pub dlogits: Binding,
    /// Loss of each sample, and 1 if the answer is correct: `[R][N]` pairs.
    pub scores: Binding,
    /// Sum of the losses and number of correct answers: `[R]` pairs.
    pub totals: Binding,
}

/// Appends loss, gradient and sums for `classes` logits per sample.
pub fn forward(rec: &mut Recording, loss: Loss, classes: u32, bindings: Bindings) {
    let Bindings { logits, labels, dlogits, scores, totals } = bindings;
    let samples = u64::from(rec.job.samples);
    let kernel = match loss {
        Loss::SoftmaxCrossEntropy => Kernel::new(Shader::SoftmaxCrossEntropy, &[("K", classes.into())]),
        Loss::SigmoidBinaryCrossEntropy => Kernel::new(Shader::BinaryCrossEntropy, &[]),
        Loss::SquaredError => Kernel::new(Shader::SquaredError, &[("K", classes.into())]),
    };
    let values = samples * u64::from(classes);
    let work = Work::new(values * 30, values * 12);
    rec.dispatch("loss", kernel, &[logits, labels, dlogits, scores], workgroups(samples), work);
    let sum = Kernel::new(Shader::ScoreSum, &[]);
    rec.dispatch("loss", sum, &[scores, totals], 1, Work::new(samples * 2, samples * 8));
}

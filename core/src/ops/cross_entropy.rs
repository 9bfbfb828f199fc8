//! Losses, with their gradient by the logits and the number of correct answers in one pass.

use super::workgroups;
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// How logits become a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Softmax over the classes, cross-entropy.
    SoftmaxCrossEntropy,
    /// Sigmoid of one logit, binary cross-entropy.
    SigmoidBinaryCrossEntropy,
}

/// What the loss reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Bindings {
    /// `[R][N][K]`
    pub logits: Binding,
    /// `[N]` words.
    pub labels: Binding,
    /// `[R][N][K]`: gradient of the batch's mean loss.
    pub dlogits: Binding,
    /// `[R][N]` pairs of loss and correctness.
    pub scores: Binding,
    /// `[R]` pairs: sum of losses, number of correct answers.
    pub totals: Binding,
}

/// Appends loss, gradient and sums for `classes` logits a sample.
pub fn forward(rec: &mut Recording, loss: Loss, classes: u32, bindings: Bindings) {
    let Bindings { logits, labels, dlogits, scores, totals } = bindings;
    let samples = u64::from(rec.job.samples);
    let kernel = match loss {
        Loss::SoftmaxCrossEntropy => Kernel::new(Shader::SoftmaxCrossEntropy, &[("K", classes.into())]),
        Loss::SigmoidBinaryCrossEntropy => Kernel::new(Shader::BinaryCrossEntropy, &[]),
    };
    let values = samples * u64::from(classes);
    let work = Work::new(values * 30, values * 12);
    rec.dispatch("loss", kernel, &[logits, labels, dlogits, scores], workgroups(samples), work);
    let sum = Kernel::new(Shader::ScoreSum, &[]);
    rec.dispatch("loss", sum, &[scores, totals], 1, Work::new(samples * 2, samples * 8));
}

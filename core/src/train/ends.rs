//! Two networks compared at their ends: the loss along the straight line between their weights, how alike their outputs are, and how far
//! apart their weights are, tensor by tensor.

use super::batch::SetKind;
use super::error::TrainError;
use super::outputs::{Outputs, Similarity};
use super::probe::Probe;
use super::state::Weights;
use crate::double::relative_l1;
use crate::nets::Network;

/// Points on the line between two networks, both ends included.
pub const LINE_POINTS: usize = 11;

/// How good a network is on one set of images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Mean loss.
    pub loss: f64,
    /// Correct answers in percent.
    pub accuracy: f64,
}

/// A point on the line from the weights of a to those of b.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinePoint {
    /// Share of b, from 0 to 1.
    pub t: f64,
    /// On training images, not augmented.
    pub train: Score,
    /// On test images.
    pub test: Score,
}

/// How far apart two networks are in one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorDistance {
    /// Name of the parameter.
    pub tensor: String,
    /// Mean of 2|a - b| / (|a| + |b|).
    pub rel_l1: f64,
    /// Euclidean norm of a - b.
    pub distance: f64,
    /// Euclidean norms of a and b.
    pub norms: [f64; 2],
}

/// Everything that is compared of two networks a and b.
#[derive(Clone, Debug, PartialEq)]
pub struct Ends {
    /// The line from a to b, with batch-norm statistics estimated anew at every point.
    pub line: Vec<LinePoint>,
    /// How good a and b are on the test images, with their own running statistics.
    pub scores: [Score; 2],
    /// How alike a and b answer on the test images, with their own running statistics.
    pub similarity: Similarity,
    /// The measured weights, in the network's order.
    pub tensors: Vec<TensorDistance>,
}

impl Ends {
    /// Height of the barrier between a and b in the loss on the training and on the test images: the highest loss on the line less the mean
    /// of both ends (Frankle et al. 2020, arXiv 1912.05671). 0 if an end is the highest and both are equal.
    #[must_use]
    pub fn barriers(&self) -> [f64; 2] {
        let of = |score: fn(&LinePoint) -> &Score| {
            let losses: Vec<f64> = self.line.iter().map(|point| score(point).loss).collect();
            // A loss that is not finite makes the barrier so.
            let highest =
                losses.iter().copied().fold(f64::NEG_INFINITY, |a, b| if b > a || b.is_nan() { b } else { a });
            highest - (losses[0] + losses[losses.len() - 1]) / 2.0
        };
        [of(|point| &point.train), of(|point| &point.test)]
    }
}

impl Probe {
    /// Slots that [`Probe::compare_ends`] needs.
    pub const ENDS_SLOTS: usize = LINE_POINTS + 2;

    /// Compares two networks on at most `images` training and as many test images. Statistics are estimated on these training images.
    ///
    /// # Errors
    /// [`TrainError::Gpu`] if the device is lost, runs out of memory or refuses a call.
    ///
    /// # Panics
    /// If this probe is not one of [`Probe::evaluating`] with [`Probe::ENDS_SLOTS`] slots and as many images.
    pub async fn compare_ends(&mut self, a: &Weights, b: &Weights, images: usize) -> Result<Ends, TrainError> {
        let shares: Vec<f64> = (0..LINE_POINTS).map(|i| i as f64 / (LINE_POINTS - 1) as f64).collect();
        let mut networks: Vec<Weights> = shares.iter().map(|t| between(a, b, *t)).collect();
        self.estimate_statistics(&mut networks, images).await?;
        networks.extend([a.clone(), b.clone()]);
        let [train, test] = [
            self.outputs(&networks, SetKind::Train, images).await?,
            self.outputs(&networks, SetKind::Test, images).await?,
        ];
        let labels = [SetKind::Train, SetKind::Test].map(|set| self.labels(set, images));
        let loss = self.network().loss;
        let score = |outputs: &Outputs, labels: &[u8]| Score {
            loss: outputs.loss(loss, labels),
            accuracy: outputs.accuracy(labels),
        };
        let line = shares.iter().enumerate().map(|(i, &t)| LinePoint {
            t,
            train: score(&train[i], labels[0]),
            test: score(&test[i], labels[1]),
        });
        let [own_a, own_b] = [&test[LINE_POINTS], &test[LINE_POINTS + 1]];
        Ok(Ends {
            line: line.collect(),
            scores: [own_a, own_b].map(|outputs| score(outputs, labels[1])),
            similarity: own_a.similarity(own_b, labels[1]),
            tensors: tensor_distances(self.network(), a, b),
        })
    }

    /// Outputs of each of `networks` on the first `images` images of a set. Errors and panics are those of [`Probe::logits`].
    ///
    /// # Errors
    /// Same as [`Probe::logits`].
    pub async fn outputs(
        &mut self,
        networks: &[Weights],
        set: SetKind,
        images: usize,
    ) -> Result<Vec<Outputs>, TrainError> {
        let per_image = self.network().logits_per_sample() as usize;
        let logits = self.logits(networks, set, images).await?;
        Ok(logits.into_iter().map(|logits| Outputs::new(per_image, logits)).collect())
    }
}

/// a + t (b - a), rounded once; equal elements stay as they are. The running statistics are those of a.
fn between(a: &Weights, b: &Weights, t: f64) -> Weights {
    let element = |(x, y): (&f32, &f32)| {
        let (x, y) = (f64::from(*x), f64::from(*y));
        // Exact at both ends, whatever the exponents.
        if t < 0.5 { (x + t * (y - x)) as f32 } else { (y - (1.0 - t) * (y - x)) as f32 }
    };
    let tensor = |(x, y): (&Vec<f32>, &Vec<f32>)| x.iter().zip(y).map(element).collect();
    Weights { parameters: a.parameters.iter().zip(&b.parameters).map(tensor).collect(), running: a.running.clone() }
}

/// Distances of the measured weights.
fn tensor_distances(network: &Network, a: &Weights, b: &Weights) -> Vec<TensorDistance> {
    let tensors = network.parameters.iter().zip(&a.parameters).zip(&b.parameters);
    let measured = tensors.filter(|((parameter, _), _)| parameter.measured);
    let distance = measured.map(|((parameter, a), b)| {
        let [a, b] = [a, b].map(|values| values.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>());
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        TensorDistance {
            tensor: parameter.name.clone(),
            rel_l1: relative_l1(&b, &a),
            distance: norm(&mut a.iter().zip(&b).map(|(a, b)| a - b)),
            norms: [norm(&mut a.iter().copied()), norm(&mut b.iter().copied())],
        }
    });
    distance.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(values: &[f32]) -> Weights {
        Weights { parameters: vec![values.to_vec()], running: Vec::new() }
    }

    #[test]
    fn a_line_ends_at_both_networks() {
        let (a, b) = (weights(&[1e30, -1.5, 1e-40, 0.1]), weights(&[1.0, -1.5, 7e10, 0.3]));
        assert_eq!(between(&a, &b, 0.0), a);
        assert_eq!(between(&a, &b, 1.0), b);
        for t in [0.1, 0.5, 0.7] {
            assert_eq!(between(&a, &a, t), a, "equal weights stay");
        }
        let middle = between(&a, &b, 0.5).parameters;
        assert_eq!((middle[0][3], middle[0][1]), (0.2, -1.5));
    }

    #[test]
    fn a_barrier_is_what_the_line_rises_above_its_ends() {
        let similarity = Outputs::new(2, vec![0.0, 1.0]);
        let similarity = similarity.similarity(&similarity, &[1]);
        let score = |loss| Score { loss, accuracy: 0.0 };
        let of = |losses: [f64; 3]| {
            let points = losses.iter().map(|&loss| LinePoint { t: 0.0, train: score(loss), test: score(2.0 * loss) });
            let ends = Ends { line: points.collect(), scores: [score(0.0); 2], similarity, tensors: Vec::new() };
            ends.barriers()
        };
        assert_eq!(of([1.0, 4.0, 2.0]), [2.5, 5.0]);
        assert_eq!(of([1.0, 0.5, 1.0]), [0.0, 0.0]);
        assert!(of([1.0, f64::NAN, 1.0])[0].is_nan());
        assert!(of([1.0, f64::NAN, f64::INFINITY])[0].is_nan());
    }
}

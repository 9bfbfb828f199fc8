//! What the logits of networks say: losses, predictions, and how alike two networks are. The host computes in float64.

use std::collections::HashMap;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::double::{cross_entropy, sigmoid};
use crate::ops::cross_entropy::Loss;

/// Logits of one network on a set of images.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    /// Logits of an image: as many as classes, or 1 where two classes share one.
    per_image: usize,
    /// `[image][logit]`.
    logits: Vec<f32>,
}

/// How alike the outputs of two networks are on the same images. With [`Loss::SquaredError`] the logits are the outputs that were trained,
/// and the softmax a monotonic function of them. Everything is NaN if a logit of one of the two is not finite: it answers nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    /// Images that the two classify differently, in percent.
    pub disagreement: f64,
    /// Pearson's correlation of the softmax outputs, over all images and classes; NaN if those of one network do not vary.
    pub correlation: f64,
    /// Accuracy of the mean of the softmax outputs less the mean accuracy of the two, in percentage points.
    pub ensemble_gain: f64,
    /// Pearson's correlation of the logits.
    pub logit_correlation: f64,
    /// Spearman's correlation of the logits.
    pub logit_rank_correlation: f64,
    /// Accuracy of the mean of the logits less the mean accuracy of the two, in percentage points.
    pub logit_ensemble_gain: f64,
}

impl Similarity {
    /// Nothing is known.
    const UNKNOWN: Self = Self {
        disagreement: f64::NAN,
        correlation: f64::NAN,
        ensemble_gain: f64::NAN,
        logit_correlation: f64::NAN,
        logit_rank_correlation: f64::NAN,
        logit_ensemble_gain: f64::NAN,
    };
}

impl Outputs {
    /// Outputs of `per_image` logits an image.
    ///
    /// # Panics
    /// If the last image has fewer.
    #[must_use]
    pub fn new(per_image: usize, logits: Vec<f32>) -> Self {
        assert!(per_image > 0 && logits.len().is_multiple_of(per_image), "{} logits, {per_image} each", logits.len());
        Self { per_image, logits }
    }

    /// The logits, `[image][logit]`.
    #[must_use]
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Number of logits of an image.
    #[must_use]
    pub fn per_image(&self) -> usize {
        self.per_image
    }

    /// Predicted class of each image.
    #[must_use]
    pub fn predictions(&self) -> Vec<u32> {
        self.logits.chunks(self.per_image).map(winner).collect()
    }

    /// Mean loss.
    #[must_use]
    pub fn loss(&self, loss: Loss, labels: &[u8]) -> f64 {
        let images = self.logits.chunks(self.per_image).zip(labels);
        let losses = images.map(|(logits, label)| {
            let logits: Vec<f64> = logits.iter().map(|logit| f64::from(*logit)).collect();
            cross_entropy(loss, &logits, u32::from(*label)).0
        });
        losses.sum::<f64>() / labels.len() as f64
    }

    /// Correct answers in percent; NaN if a logit is not finite, so that a network that blew up has no accuracy, not that of one class.
    #[must_use]
    pub fn accuracy(&self, labels: &[u8]) -> f64 {
        if self.is_finite() { accuracy(self.predictions(), labels) } else { f64::NAN }
    }

    /// Whether every logit is finite.
    fn is_finite(&self) -> bool {
        self.logits.iter().all(|logit| logit.is_finite())
    }

    /// Softmax of the logits, `[image][class]`; of a single logit, the probabilities of its two classes.
    #[must_use]
    pub fn probabilities(&self) -> Vec<f64> {
        let of_image = |logits: &[f32]| -> Vec<f64> {
            if let [logit] = logits {
                let p = sigmoid(f64::from(*logit));
                return vec![1.0 - p, p];
            }
            let most = logits.iter().fold(f64::NEG_INFINITY, |most, logit| most.max(f64::from(*logit)));
            let powers: Vec<f64> = logits.iter().map(|logit| libm::exp(f64::from(*logit) - most)).collect();
            let sum: f64 = powers.iter().sum();
            powers.iter().map(|power| power / sum).collect()
        };
        self.logits.chunks(self.per_image).flat_map(of_image).collect()
    }

    /// How alike two networks are on the images of `labels`.
    #[must_use]
    pub fn similarity(&self, other: &Self, labels: &[u8]) -> Similarity {
        if !(self.is_finite() && other.is_finite()) {
            return Similarity::UNKNOWN;
        }
        let predictions = [self, other].map(Self::predictions);
        let differing = predictions[0].iter().zip(&predictions[1]).filter(|(a, b)| a != b).count();
        let mean_accuracy = predictions.map(|of_one| accuracy(of_one, labels)).iter().sum::<f64>() / 2.0;
        let probabilities = [self, other].map(Self::probabilities);
        let logits = [self, other].map(|outputs| outputs.logits.iter().map(|l| f64::from(*l)).collect::<Vec<f64>>());
        let gain = |[a, b]: &[Vec<f64>; 2], per_image: usize| {
            let means: Vec<f64> = a.iter().zip(b).map(|(a, b)| 0.5 * (a + b)).collect();
            accuracy(means.chunks(per_image).map(winner), labels) - mean_accuracy
        };
        Similarity {
            disagreement: 100.0 * differing as f64 / labels.len() as f64,
            correlation: pearson(&probabilities),
            ensemble_gain: gain(&probabilities, self.per_image.max(2)),
            logit_correlation: pearson(&logits),
            logit_rank_correlation: pearson(&logits.each_ref().map(|logits| ranks(logits))),
            logit_ensemble_gain: gain(&logits, self.per_image),
        }
    }
}

fn accuracy(predictions: impl IntoIterator<Item = u32>, labels: &[u8]) -> f64 {
    let correct = predictions.into_iter().zip(labels).filter(|(class, label)| *class == u32::from(**label)).count();
    100.0 * correct as f64 / labels.len() as f64
}

/// Name of the checksum in the metadata of a file of outputs.
const CHECKSUM: &str = "crc32";

/// CRC-32 in hexadecimal of the shape and the contents of a file of outputs.
fn checksum(shape: &[usize], logits: &[u8], labels: &[u8]) -> String {
    let mut crc = flate2::Crc::new();
    crc.update(format!("{shape:?}").as_bytes());
    crc.update(logits);
    crc.update(labels);
    format!("{:08x}", crc.sum())
}

/// Outputs of networks on the same images as a file in the safetensors format: `logits`, `[network][image][logit]` F32, `labels`,
/// `[image]` U8, and in the metadata a checksum.
///
/// # Panics
/// If the networks have different shapes, or not as many images as labels.
#[must_use]
pub fn encode_outputs(outputs: &[Outputs], labels: &[u8]) -> Vec<u8> {
    let per_image = outputs.first().map_or(1, |first| first.per_image);
    let values: Vec<u8> = outputs.iter().flat_map(|of_one| &of_one.logits).flat_map(|l| l.to_le_bytes()).collect();
    let shape = vec![outputs.len(), labels.len(), per_image];
    let metadata = HashMap::from([(CHECKSUM.to_owned(), checksum(&shape, &values, labels))]);
    let tensors = [("logits", Dtype::F32, shape, &values[..]), ("labels", Dtype::U8, vec![labels.len()], labels)];
    let views = tensors.map(|(name, dtype, shape, bytes)| {
        (name, TensorView::new(dtype, shape, bytes).unwrap_or_else(|error| panic!("{name}: {error}")))
    });
    safetensors::serialize(views, Some(metadata)).unwrap_or_else(|error| panic!("logits: {error}"))
}

/// The outputs and labels of a file by [`encode_outputs`]; `None` if it is another or not whole.
#[must_use]
pub fn decode_outputs(bytes: &[u8]) -> Option<(Vec<Outputs>, Vec<u8>)> {
    let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
    let tensors = SafeTensors::deserialize(bytes).ok()?;
    let (logits, labels) = (tensors.tensor("logits").ok()?, tensors.tensor("labels").ok()?);
    let [_, images, per_image] = *logits.shape() else { return None };
    let values_of_one = images.checked_mul(per_image).filter(|n| *n > 0)?;
    if logits.dtype() != Dtype::F32 || labels.dtype() != Dtype::U8 || labels.shape() != [images] {
        return None;
    }
    let expected = checksum(logits.shape(), logits.data(), labels.data());
    if header.metadata().as_ref()?.get(CHECKSUM) != Some(&expected) {
        return None;
    }
    let values = bytemuck::pod_collect_to_vec::<u8, f32>(logits.data());
    let outputs = values.chunks(values_of_one).map(|of_one| Outputs::new(per_image, of_one.to_vec()));
    Some((outputs.collect(), labels.data().to_vec()))
}

/// The class with the largest logit, the first of equals, as in the evaluation. A single logit means class 1 if it is positive.
pub fn winner<T: PartialOrd + Default + Copy>(logits: &[T]) -> u32 {
    if let [logit] = logits {
        return u32::from(*logit > T::default());
    }
    let mut best = 0;
    for (class, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = class;
        }
    }
    best as u32
}

/// Pearson's correlation coefficient; 1 for equal values that vary.
fn pearson([a, b]: &[Vec<f64>; 2]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    ab / (aa.sqrt() * bb.sqrt())
}

/// Rank of each value, from 0; equal values have the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    while first < order.len() {
        let equal = order[first..].iter().take_while(|at| values[**at] == values[order[first]]).count().max(1);
        let rank = first as f64 + (equal - 1) as f64 / 2.0;
        order[first..first + equal].iter().for_each(|at| ranks[*at] = rank);
        first += equal;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_outputs_agree_in_everything() {
        let outputs = Outputs::new(3, vec![1.0, 2.0, 3.0, 0.5, -1.0, 0.0]);
        let same = outputs.similarity(&outputs, &[2, 1]);
        assert_eq!((same.disagreement, same.ensemble_gain, same.logit_ensemble_gain), (0.0, 0.0, 0.0));
        for correlation in [same.correlation, same.logit_correlation, same.logit_rank_correlation] {
            assert!((correlation - 1.0).abs() < 1e-15, "{correlation}");
        }
        assert_eq!(outputs.accuracy(&[2, 1]), 50.0);
    }

    #[test]
    fn two_networks_are_compared_image_by_image() {
        // The second image: each is sure of another class; their mean prefers the third, which is right.
        let a = Outputs::new(3, vec![3.0, 0.0, 0.0, 2.0, 0.0, 1.9]);
        let b = Outputs::new(3, vec![3.0, 0.0, 0.0, 0.0, 2.0, 1.9]);
        let found = a.similarity(&b, &[0, 2]);
        assert_eq!((found.disagreement, found.ensemble_gain, found.logit_ensemble_gain), (50.0, 50.0, 50.0));
        assert!(found.correlation > 0.4 && found.correlation < 0.9, "{found:?}");
        let opposite = Outputs::new(3, a.logits().iter().map(|logit| -logit).collect());
        let found = a.similarity(&opposite, &[0, 2]);
        assert!((found.logit_correlation + 1.0).abs() < 1e-15 && (found.logit_rank_correlation + 1.0).abs() < 1e-15);
    }

    #[test]
    fn outputs_that_are_not_finite_are_like_nothing() {
        let sound = Outputs::new(2, vec![1.0, 2.0, 3.0, 0.5]);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let lost = Outputs::new(2, vec![1.0, 2.0, 3.0, bad]);
            assert!(lost.accuracy(&[1, 0]).is_nan());
            for found in
                [lost.similarity(&sound, &[1, 0]), sound.similarity(&lost, &[1, 0]), lost.similarity(&lost, &[1, 0])]
            {
                let Similarity { disagreement, correlation, ensemble_gain, .. } = found;
                let of_logits = [found.logit_correlation, found.logit_rank_correlation, found.logit_ensemble_gain];
                let all = [[disagreement, correlation, ensemble_gain], of_logits].concat();
                assert!(all.iter().all(|value| value.is_nan()), "{found:?}");
            }
        }
        assert_eq!(sound.accuracy(&[1, 0]), 100.0);
    }

    #[test]
    fn a_single_logit_has_two_classes() {
        let a = Outputs::new(1, vec![1.0, -2.0, 0.0]);
        assert_eq!(a.predictions(), [1, 0, 0]);
        let p = a.probabilities();
        assert!((p[0] + p[1] - 1.0).abs() < 1e-15 && (p[1] - 0.731_058_578_630_004_9).abs() < 1e-15, "{p:?}");
        let b = Outputs::new(1, vec![-1.5, -2.0, 3.0]);
        let found = a.similarity(&b, &[1, 0, 1]);
        assert!((found.disagreement - 200.0 / 3.0).abs() < 1e-12, "{found:?}");
        let loss = a.loss(Loss::SigmoidBinaryCrossEntropy, &[1, 0, 1]);
        let expected = (libm::log1p(libm::exp(-1.0)) + libm::log1p(libm::exp(-2.0)) + libm::log(2.0)) / 3.0;
        assert!((loss - expected).abs() < 1e-15, "{loss}");
    }

    #[test]
    fn a_file_of_outputs_reads_back_whole_or_not_at_all() {
        let outputs = [Outputs::new(2, vec![0.5, -1.0, 2.0, 3.0]), Outputs::new(2, vec![1.0, 1.5, -0.0, 1e-40])];
        let whole = Some((outputs.to_vec(), vec![1, 0]));
        let bytes = encode_outputs(&outputs, &[1, 0]);
        assert_eq!(decode_outputs(&bytes), whole);
        assert_eq!(decode_outputs(&bytes[..bytes.len() - 1]), None);
        let contents = 4 * 8 + 2;
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let found = decode_outputs(&changed);
            let is_in_contents = bit / 8 >= bytes.len() - contents;
            assert!(found.is_none() || (!is_in_contents && found == whole), "bit {bit}");
        }
    }

    #[test]
    fn equal_values_share_a_rank() {
        assert_eq!(ranks(&[2.0, 1.0, 2.0, -0.0, 0.0]), [3.5, 2.0, 3.5, 0.5, 0.5]);
    }
}

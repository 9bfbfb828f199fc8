//! `ends.json`: the networks at the end of a run, compared with each other.

use std::fmt;
use std::path::Path;

use lastbit_core::train::{Ends, LinePoint, Similarity};
use serde::{Deserialize, Deserializer, Serialize};

use super::layout::ENDS_FILE;
use super::null::{or_nan, or_nans};
use super::seal::{is_whole, seal};
use crate::failure::Failure;
use crate::files::replace_file;

/// What `ends.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndsRecord {
    /// Number of training and of test images.
    pub images: ImageCounts,
    /// The comparisons.
    pub pairs: Vec<EndsPair>,
    /// Checksum of the file; empty in memory.
    sha256: String,
}

/// Numbers of images that networks are compared on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageCounts {
    /// Training images, for the statistics of batch norms and for the line.
    pub train: usize,
    /// Test images.
    pub test: usize,
}

/// One of two networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndsNetwork {
    /// Name of the run's folder; `None` in the run's own file.
    pub run: Option<String>,
    /// Steps done.
    pub step: u64,
    /// Position in `--ks`.
    pub replica: usize,
    /// What distinguishes the replica in its run.
    pub label: String,
}

impl fmt::Display for EndsNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.run {
            Some(run) => write!(f, "{} of {run} after step {}", self.label, self.step),
            None => f.write_str(&self.label),
        }
    }
}

/// Two networks compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndsPair {
    /// The first one.
    pub a: EndsNetwork,
    /// The second one.
    pub b: EndsNetwork,
    /// The first step at which they were 1 % apart in relative L1, if both are of one run and that is recorded.
    pub parted: Option<u64>,
    /// Barrier in the loss on training images.
    #[serde(deserialize_with = "or_nan")]
    pub train_barrier: f64,
    /// Barrier in the loss on test images.
    #[serde(deserialize_with = "or_nan")]
    pub test_barrier: f64,
    /// Test images that the two classify differently, in percent. Like all below NaN, in the file null, if a network is not finite.
    #[serde(deserialize_with = "or_nan")]
    pub disagreement: f64,
    /// Pearson's correlation of the softmax outputs.
    #[serde(deserialize_with = "or_nan")]
    pub correlation: f64,
    /// Gain of the mean of the softmax outputs, in percentage points of accuracy.
    #[serde(deserialize_with = "or_nan")]
    pub ensemble_gain: f64,
    /// Pearson's correlation of the logits.
    #[serde(deserialize_with = "or_nan")]
    pub logit_correlation: f64,
    /// Spearman's correlation of the logits.
    #[serde(deserialize_with = "or_nan")]
    pub logit_rank_correlation: f64,
    /// Gain of the mean of the logits, in percentage points of accuracy.
    #[serde(deserialize_with = "or_nan")]
    pub logit_ensemble_gain: f64,
    /// Accuracies of both on the test images, in percent.
    #[serde(deserialize_with = "or_nan_both")]
    pub accuracy: [f64; 2],
    /// The line between them.
    pub line: LineColumns,
    /// How far apart they are, by tensor.
    pub tensors: Vec<TensorRow>,
}

/// Points of the line as columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineColumns {
    /// Share of b.
    pub t: Vec<f64>,
    /// Mean loss on training images.
    #[serde(deserialize_with = "or_nans")]
    pub train_loss: Vec<f64>,
    /// Accuracy on training images, in percent.
    #[serde(deserialize_with = "or_nans")]
    pub train_accuracy: Vec<f64>,
    /// Mean loss on test images.
    #[serde(deserialize_with = "or_nans")]
    pub test_loss: Vec<f64>,
    /// Accuracy on test images, in percent.
    #[serde(deserialize_with = "or_nans")]
    pub test_accuracy: Vec<f64>,
}

/// The distance of one tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TensorRow {
    /// Name of the parameter.
    pub tensor: String,
    /// Relative L1.
    #[serde(deserialize_with = "or_nan")]
    pub rel_l1: f64,
    /// Euclidean norm of the difference.
    #[serde(deserialize_with = "or_nan")]
    pub distance: f64,
    /// Euclidean norms of both.
    #[serde(deserialize_with = "or_nan_both")]
    pub norms: [f64; 2],
}

fn or_nan_both<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f64; 2], D::Error> {
    let values: [Option<f64>; 2] = Deserialize::deserialize(deserializer)?;
    Ok(values.map(|value| value.unwrap_or(f64::NAN)))
}

impl EndsPair {
    /// The comparison `ends` of `a` and `b`.
    pub fn new([a, b]: [EndsNetwork; 2], parted: Option<u64>, ends: Ends) -> Self {
        let [train_barrier, test_barrier] = ends.barriers();
        let Ends { line, scores, similarity, tensors } = ends;
        let column = |value: fn(&LinePoint) -> f64| line.iter().map(value).collect();
        let tensors = tensors.into_iter().map(|tensor| TensorRow {
            tensor: tensor.tensor,
            rel_l1: tensor.rel_l1,
            distance: tensor.distance,
            norms: tensor.norms,
        });
        let Similarity {
            disagreement,
            correlation,
            ensemble_gain,
            logit_correlation,
            logit_rank_correlation,
            logit_ensemble_gain,
        } = similarity;
        Self {
            a,
            b,
            parted,
            train_barrier,
            test_barrier,
            disagreement,
            correlation,
            ensemble_gain,
            logit_correlation,
            logit_rank_correlation,
            logit_ensemble_gain,
            accuracy: scores.map(|score| score.accuracy),
            line: LineColumns {
                t: column(|point| point.t),
                train_loss: column(|point| point.train.loss),
                train_accuracy: column(|point| point.train.accuracy),
                test_loss: column(|point| point.test.loss),
                test_accuracy: column(|point| point.test.accuracy),
            },
            tensors: tensors.collect(),
        }
    }
}

impl EndsRecord {
    /// These comparisons.
    pub fn new(images: ImageCounts, pairs: Vec<EndsPair>) -> Self {
        Self { images, pairs, sha256: String::new() }
    }

    /// The record as JSON, with its checksum.
    pub fn to_text(&self) -> Result<String, Failure> {
        Ok(seal(&(serde_json::to_string_pretty(self).map_err(Failure::other)? + "\n")))
    }

    /// Writes the file into the run in `folder`.
    pub fn write(&self, folder: &Path) -> Result<(), Failure> {
        replace_file(&folder.join(ENDS_FILE), self.to_text()?.as_bytes())
    }

    /// The record with this text; `None` if it is not as it was written.
    pub fn parse(text: &str) -> Option<Self> {
        let record: Self = serde_json::from_str(text).ok()?;
        (is_whole(text) == Some(true)).then_some(Self { sha256: String::new(), ..record })
    }

    /// Reads the file of the run in `folder`; `None` if it is missing, or not as it was written.
    pub fn read(folder: &Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(folder.join(ENDS_FILE)).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastbit_core::train::{Outputs, Score, TensorDistance};

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let outputs = Outputs::new(2, vec![f32::NAN, 0.0]);
        let score = Score { loss: f64::NAN, accuracy: outputs.accuracy(&[1]) };
        let ends = Ends {
            line: vec![LinePoint { t: 0.0, train: score, test: Score { loss: 1.5, accuracy: 40.0 } }],
            scores: [score; 2],
            similarity: outputs.similarity(&outputs, &[1]),
            tensors: vec![TensorDistance {
                tensor: "conv1.weight".to_owned(),
                rel_l1: 0.25,
                distance: 1e-9,
                norms: [1.0, f64::INFINITY],
            }],
        };
        let network = |replica| EndsNetwork { run: None, step: 7, replica, label: format!("k = {replica}") };
        let record = EndsRecord::new(
            ImageCounts { train: 10, test: 20 },
            vec![EndsPair::new([network(1), network(3)], None, ends)],
        );
        let text = record.to_text().unwrap();
        let found = EndsRecord::parse(&text).unwrap();
        let pair = &found.pairs[0];
        let of_outputs = [pair.disagreement, pair.correlation, pair.ensemble_gain, pair.logit_correlation];
        let others = [pair.logit_rank_correlation, pair.logit_ensemble_gain, pair.accuracy[0], pair.accuracy[1]];
        let unknown = [of_outputs, others].concat();
        assert!(unknown.iter().all(|value| value.is_nan()), "what has no number is null: {text}");
        assert!(pair.train_barrier.is_nan() && pair.line.train_accuracy[0].is_nan(), "{text}");
        assert_eq!(pair.line.test_accuracy, [40.0]);
        assert_eq!((pair.test_barrier, pair.tensors[0].norms[0], pair.b.replica), (0.0, 1.0, 3));
        assert_eq!(found.to_text().unwrap(), text);
        assert_eq!(EndsRecord::parse(&text.replace("0.25", "0.26")), None);
    }
}

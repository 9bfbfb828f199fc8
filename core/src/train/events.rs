//! What a trainer tells, and how it reads in `metrics.jsonl`: one JSON object a line (docs/RULES.md, "A run folder").

use serde::ser::{Serialize, SerializeMap, Serializer};

/// Something that a front end shows and records.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// After every step.
    Step(StepEvent),
    /// For each replica, at the log cadence.
    Layers(LayersEvent),
    /// After an evaluation.
    Epoch(EpochEvent),
}

/// One training step. Vectors are in the order of the divisors.
#[derive(Clone, Debug, PartialEq)]
pub struct StepEvent {
    /// From 1.
    pub step: u64,
    /// From 0.
    pub epoch: u64,
    /// Learning rate of the step.
    pub lr: f64,
    /// Mean loss of the batch before the update.
    pub loss: Vec<f32>,
    /// Unweighted mean over all convolution weights of the tensor's relative L1 to the first replica, after the update.
    pub rel_l1: Vec<f64>,
    /// Largest distance in ulps over all convolution weights.
    pub max_ulp: Vec<u32>,
    /// Elements of all convolution weights whose bits differ.
    pub differing: Vec<u64>,
    /// Elements of *all* parameters whose bits differ: what the control lamp looks at. Not in `metrics.jsonl`.
    pub differing_anywhere: Vec<u64>,
    /// Correct answers in the batch. Not in `metrics.jsonl`.
    pub correct: Vec<u32>,
    /// Samples in the batch. Not in `metrics.jsonl`.
    pub samples: u32,
    /// The first layer of the forward pass whose values were not finite, by replica. Not in `metrics.jsonl`.
    pub first_not_finite: Vec<Option<String>>,
}

impl StepEvent {
    /// Whether the replica's numbers were finite in this step.
    #[must_use]
    pub fn is_finite(&self, replica: usize) -> bool {
        self.first_not_finite[replica].is_none()
    }

    /// Whether the replica's distances say something: its numbers are finite, and those of the first replica. Where they are
    /// not, two replicas that are lost in the same way have a distance of 0.
    #[must_use]
    pub fn has_distance(&self, replica: usize) -> bool {
        self.is_finite(0) && self.is_finite(replica)
    }
}

/// One replica's layers.
#[derive(Clone, Debug, PartialEq)]
pub struct LayersEvent {
    /// From 1.
    pub step: u64,
    /// Position in `--ks`.
    pub replica: usize,
    /// Its divisor.
    pub k: u32,
    /// Of parameters and momentum, 16 hex digits.
    pub fingerprint: String,
    /// Relative L1 to the first replica of each convolution weight, in network order.
    pub rel_l1: Vec<(String, f32)>,
}

/// An evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochEvent {
    /// Epochs done, from 1; the running epoch counts when the run ends inside it.
    pub epoch: u64,
    /// Steps done.
    pub step: u64,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Mean over the epoch's samples so far.
    pub train_loss: Vec<f64>,
    /// Percent.
    pub train_accuracy: Vec<f64>,
    /// Mean over the test set.
    pub test_loss: Vec<f64>,
    /// Percent.
    pub test_accuracy: Vec<f64>,
}

impl Event {
    /// The event's line of `metrics.jsonl`, without the newline. Numbers that are not finite are `null` and the line
    /// says `"nonfinite":true`.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|e| unreachable!("events are maps with text keys: {e}"))
    }

    /// The step that the event belongs to.
    #[must_use]
    pub fn step(&self) -> u64 {
        match self {
            Self::Step(e) => e.step,
            Self::Layers(e) => e.step,
            Self::Epoch(e) => e.step,
        }
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let finite = match self {
            Self::Step(e) => {
                map.serialize_entry("kind", "step")?;
                map.serialize_entry("step", &e.step)?;
                map.serialize_entry("epoch", &e.epoch)?;
                map.serialize_entry("lr", &e.lr)?;
                map.serialize_entry("loss", &e.loss)?;
                map.serialize_entry("rel_l1", &e.rel_l1)?;
                map.serialize_entry("max_ulp", &e.max_ulp)?;
                map.serialize_entry("differing", &e.differing)?;
                e.loss.iter().all(|v| v.is_finite()) && e.rel_l1.iter().all(|v| v.is_finite())
            }
            Self::Layers(e) => {
                map.serialize_entry("kind", "layers")?;
                map.serialize_entry("step", &e.step)?;
                map.serialize_entry("replica", &e.replica)?;
                map.serialize_entry("k", &e.k)?;
                map.serialize_entry("fingerprint", &e.fingerprint)?;
                map.serialize_entry("rel_l1", &InOrder(&e.rel_l1))?;
                e.rel_l1.iter().all(|(_, v)| v.is_finite())
            }
            Self::Epoch(e) => {
                map.serialize_entry("kind", "epoch")?;
                map.serialize_entry("epoch", &e.epoch)?;
                map.serialize_entry("step", &e.step)?;
                map.serialize_entry("lr", &e.lr)?;
                map.serialize_entry("train_loss", &e.train_loss)?;
                map.serialize_entry("train_accuracy", &e.train_accuracy)?;
                map.serialize_entry("test_loss", &e.test_loss)?;
                map.serialize_entry("test_accuracy", &e.test_accuracy)?;
                e.train_loss.iter().chain(&e.test_loss).all(|v| v.is_finite())
            }
        };
        if !finite {
            map.serialize_entry("nonfinite", &true)?;
        }
        map.end()
    }
}

/// A map that keeps the order of its pairs.
struct InOrder<'a>(&'a [(String, f32)]);

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_contract_s() {
        let event = StepEvent {
            step: 1,
            epoch: 0,
            lr: 0.1,
            loss: vec![2.5, f32::NAN],
            rel_l1: vec![0.0, 1e-9],
            max_ulp: vec![0, 1],
            differing: vec![0, 7],
            differing_anywhere: vec![0, 8],
            correct: vec![1, 1],
            samples: 4,
            first_not_finite: vec![None, Some("bn1".to_owned())],
        };
        assert_eq!(
            Event::Step(event).to_json(),
            r#"{"kind":"step","step":1,"epoch":0,"lr":0.1,"loss":[2.5,null],"rel_l1":[0.0,1e-9],"max_ulp":[0,1],"differing":[0,7],"nonfinite":true}"#
        );
        let layers = LayersEvent {
            step: 2,
            replica: 1,
            k: 3,
            fingerprint: "00ff".to_owned(),
            rel_l1: vec![("b".to_owned(), 0.5), ("a".to_owned(), 0.25)],
        };
        assert_eq!(
            Event::Layers(layers).to_json(),
            r#"{"kind":"layers","step":2,"replica":1,"k":3,"fingerprint":"00ff","rel_l1":{"b":0.5,"a":0.25}}"#
        );
    }
}

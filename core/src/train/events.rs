//! The events of a trainer, and their form in `metrics.jsonl`: one JSON object per line (docs/RULES.md, "A run folder").

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::curvature::Curvature;

/// An event that a front end shows and records.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Reported after every step.
    Step(StepEvent),
    /// Reported for each replica at the log cadence.
    Layers(LayersEvent),
    /// Reported after an evaluation.
    Epoch(EpochEvent),
    /// Reported at the cadence of the config's `sharpness`.
    Curvature(CurvatureEvent),
    /// Reported at the cadence of the config's `lyapunov`.
    Growth(GrowthEvent),
}

/// Results of one training step. Vectors have one entry for each replica, in the order of the divisors.
#[derive(Clone, Debug, PartialEq)]
pub struct StepEvent {
    /// Number of the step, from 1.
    pub step: u64,
    /// Number of the epoch, from 0.
    pub epoch: u64,
    /// Learning rate of the step.
    pub lr: f64,
    /// Mean loss of the batch before the update.
    pub loss: Vec<f32>,
    /// Relative L1 distance to the first replica after the update, in [0, 2]: the unweighted mean over all measured weights.
    pub rel_l1: Vec<f64>,
    /// Largest distance to the first replica over all measured weights, in ulps.
    pub max_ulp: Vec<u32>,
    /// Number of elements of all measured weights whose bits differ from the first replica's.
    pub differing: Vec<u64>,
    /// Number of elements of *all* parameters whose bits differ; the control lamp shows it. Not in `metrics.jsonl`.
    pub differing_anywhere: Vec<u64>,
    /// Number of correct answers in the batch. Not in `metrics.jsonl`.
    pub correct: Vec<u32>,
    /// Number of samples in the batch. Not in `metrics.jsonl`.
    pub samples: u32,
    /// Name of the first layer of the forward pass whose values were not finite, if any. Not in `metrics.jsonl`.
    pub first_not_finite: Vec<Option<String>>,
}

impl StepEvent {
    /// Whether all of the replica's numbers were finite in this step.
    #[must_use]
    pub fn is_finite(&self, replica: usize) -> bool {
        self.first_not_finite[replica].is_none()
    }

    /// Whether the replica's distances are meaningful: its numbers and the first replica's are finite. Otherwise two replicas
    /// that failed in the same way would have a distance of 0.
    #[must_use]
    pub fn has_distance(&self, replica: usize) -> bool {
        self.is_finite(0) && self.is_finite(replica)
    }
}

/// Curvature of the loss at the weights of one replica.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvatureEvent {
    /// Number of steps done, from 0.
    pub step: u64,
    /// Learning rate of this step, or of the first one before it.
    pub lr: f64,
    /// Position of the replica in the list of divisors.
    pub replica: usize,
    /// What was found.
    pub curvature: Curvature,
}

/// Growth of displacements, for a Lyapunov exponent. Vectors have one entry for each replica.
#[derive(Clone, Debug, PartialEq)]
pub struct GrowthEvent {
    /// Number of steps done.
    pub step: u64,
    /// Number of steps since the replicas were last at their distances.
    pub steps: u64,
    /// Natural logarithm of the distance to the first replica over the distance that the config sets; 0 for the first replica.
    pub growth: Vec<f64>,
}

/// Fingerprint of one replica, and the divergence of its layers.
#[derive(Clone, Debug, PartialEq)]
pub struct LayersEvent {
    /// Number of the step, from 1.
    pub step: u64,
    /// Position of the replica in `--ks`, from 0.
    pub replica: usize,
    /// The replica's divisor.
    pub k: u32,
    /// Fingerprint of parameters and optimiser state, 16 hex digits.
    pub fingerprint: String,
    /// Bits of one weight, whose way apart can be followed: [`Network::traced_weight`](crate::nets::Network::traced_weight).
    pub weight: u32,
    /// Name of each measured tensor, and its relative L1 distance to the first replica, in network order.
    pub rel_l1: Vec<(String, f32)>,
}

/// Results of an evaluation. Vectors have one entry for each replica, in the order of the divisors.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochEvent {
    /// Number of epochs done, from 1. If the run ends inside an epoch, that epoch counts.
    pub epoch: u64,
    /// Number of steps done.
    pub step: u64,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Mean training loss over the epoch's samples so far.
    pub train_loss: Vec<f64>,
    /// Training accuracy over the same samples, in percent.
    pub train_accuracy: Vec<f64>,
    /// Mean loss over the test set.
    pub test_loss: Vec<f64>,
    /// Accuracy on the test set, in percent.
    pub test_accuracy: Vec<f64>,
}

impl Event {
    /// The event's line of `metrics.jsonl`, without the newline. Numbers that are not finite become `null`, and the
    /// line gets `"nonfinite":true`.
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
            Self::Curvature(e) => e.step,
            Self::Growth(e) => e.step,
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
                map.serialize_entry("weight", &format_args!("{:08x}", e.weight))?;
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
            Self::Curvature(CurvatureEvent { step, lr, replica, curvature: c }) => {
                map.serialize_entry("kind", "curvature")?;
                map.serialize_entry("step", step)?;
                map.serialize_entry("lr", lr)?;
                map.serialize_entry("replica", replica)?;
                map.serialize_entry("lambda_max", &c.lambda_max)?;
                map.serialize_entry("residual", &c.residual)?;
                map.serialize_entry("products", &c.products)?;
                map.serialize_entry("h", &c.h)?;
                map.serialize_entry("product_error", &c.product_error)?;
                map.serialize_entry("batch_sharpness", &c.batch_sharpness)?;
                map.serialize_entry("batch_sharpness_error", &c.batch_sharpness_error)?;
                map.serialize_entry("loss", &c.loss)?;
                map.serialize_entry("gradient_norm", &c.gradient_norm)?;
                c.lambda_max.is_finite() && c.batch_sharpness.is_finite()
            }
            Self::Growth(e) => {
                map.serialize_entry("kind", "growth")?;
                map.serialize_entry("step", &e.step)?;
                map.serialize_entry("steps", &e.steps)?;
                map.serialize_entry("growth", &e.growth)?;
                e.growth.iter().all(|v| v.is_finite())
            }
        };
        if !finite {
            map.serialize_entry("nonfinite", &true)?;
        }
        map.end()
    }
}

/// Pairs that serialise as a map in their own order.
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
    fn lines_have_the_documented_format() {
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
            weight: 0x3f80_0001,
            rel_l1: vec![("b".to_owned(), 0.5), ("a".to_owned(), 0.25)],
        };
        assert_eq!(
            Event::Layers(layers).to_json(),
            r#"{"kind":"layers","step":2,"replica":1,"k":3,"fingerprint":"00ff","weight":"3f800001","rel_l1":{"b":0.5,"a":0.25}}"#
        );
    }
}

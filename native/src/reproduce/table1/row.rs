//! A row of the table: a network on a data set, its trainings, and their results.

use std::fmt;
use std::str::FromStr;

use lastbit_core::nets::NetKind;
use lastbit_core::ops::Activation;
use lastbit_core::ops::sgd::Perturbation;
use lastbit_core::train::DatasetKind;

use crate::reproduce::beside::Length;
use crate::reproduce::churn::{Churn, disagreement, mean_of_pairs};
use crate::reproduce::flags::Item;
use crate::reproduce::growth::{VISIBLE, first_bit, reaches};
use crate::reproduce::onset;
use crate::reproduce::run::Run;
use crate::statistics::{Spread, mean};
use crate::values::listed;

/// What the trainings of a row have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Network.
    pub net: NetKind,
    /// Activation of the network.
    pub activation: Activation,
    /// Data set.
    pub dataset: DatasetKind,
}

impl Row {
    /// The paper's rows, or one for a machine without a GPU.
    pub fn defaults(is_quick: bool) -> Vec<Self> {
        let resnet = |depth, activation, dataset| Self { net: NetKind::ResNet { depth }, activation, dataset };
        if is_quick {
            return vec![resnet(8, Activation::Relu, DatasetKind::Cifar10)];
        }
        vec![
            resnet(56, Activation::Relu, DatasetKind::Cifar10),
            resnet(56, Activation::Swish { beta: 5.0 }, DatasetKind::Cifar10),
            Self { net: NetKind::Vgg { depth: 16 }, activation: Activation::Relu, dataset: DatasetKind::Cifar10 },
            resnet(56, Activation::Relu, DatasetKind::FashionMnist),
        ]
    }

    /// The row as a part of a folder's name.
    pub fn name(&self) -> String {
        self.to_string().replace(':', "-")
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.net, self.activation, self.dataset)
    }
}

impl FromStr for Row {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not NET:ACTIVATION:DATASET, as in resnet56:relu:cifar10");
        let (net, rest) = text.split_once(':').ok_or_else(wrong)?;
        // The activation may contain a colon, too.
        let (activation, dataset) = rest.rsplit_once(':').ok_or_else(wrong)?;
        Ok(Self {
            net: net.parse().map_err(|error| format!("{error}"))?,
            activation: activation.parse()?,
            dataset: dataset.parse()?,
        })
    }
}

impl Item for Row {
    const NAME: &'static str = "ROW";

    fn parse(text: &str) -> Result<Self, String> {
        listed(text)
    }

    fn setting(&self) -> Result<toml::Value, toml::ser::Error> {
        Ok(toml::Value::String(self.to_string()))
    }
}

/// A finished run: all k at one seed.
pub struct Trained {
    /// The run, without its losses.
    pub run: Run,
    /// `[k]`: result, the mean test accuracy over the last epochs in percent. The control is left out.
    pub numbers: Vec<f64>,
    /// `[k][image]`: predicted class at the end. The control is left out.
    pub predictions: Vec<Vec<u32>>,
    /// Disagreement between the control and the first copy.
    pub control_churn: Churn,
}

impl Trained {
    /// Evaluates a run of `n_ks` divisors and a control, over its `last` epochs.
    pub fn new(mut run: Run, predictions: Vec<Vec<u32>>, n_ks: usize, last: usize) -> Self {
        // Losses are not shown, and there are as many as steps.
        run.loss.clear();
        let ends = &run.accuracy[run.accuracy.len().saturating_sub(last)..];
        let mean = |replica: usize| ends.iter().map(|(_, accuracy)| accuracy[replica]).sum::<f64>() / ends.len() as f64;
        Self {
            numbers: (0..n_ks).map(mean).collect(),
            control_churn: disagreement(&predictions[0], &predictions[n_ks]),
            predictions: predictions.into_iter().take(n_ks).collect(),
            run,
        }
    }

    /// Seed of the run.
    pub fn seed(&self) -> u64 {
        self.run.config.seed
    }

    /// Form of the perturbation.
    pub fn form(&self) -> Perturbation {
        self.run.config.perturbation
    }

    /// Spread over k at this seed.
    pub fn spread(&self) -> Option<Spread> {
        Spread::of(&self.numbers)
    }

    /// Mean churn in percent over all pairs of k.
    pub fn churn(&self) -> Option<f64> {
        mean_of_pairs(&self.predictions)
    }

    /// The first step at which a replica differs from the first one, and the first at which it is 1 % apart.
    pub fn onset(&self, replica: usize) -> (Option<u64>, Option<u64>) {
        let points = onset::of_replica(&self.run, replica);
        (first_bit(&points), reaches(&points, VISIBLE))
    }
}

/// A row with all its trainings.
pub struct Done {
    /// What was trained.
    pub row: Row,
    /// `[seed]`: runs with the main form of the perturbation.
    pub seeds: Vec<Trained>,
    /// The other forms of the perturbation at the first seed.
    pub forms: Vec<Trained>,
}

impl Done {
    /// From the runs of a row in order: the seeds, then the other forms.
    pub fn new(row: Row, mut trained: Vec<Trained>, n_seeds: usize) -> Self {
        let forms = trained.split_off(n_seeds);
        Self { row, seeds: trained, forms }
    }

    /// All runs.
    pub fn all(&self) -> impl Iterator<Item = &Trained> {
        self.seeds.iter().chain(&self.forms)
    }

    /// How long the trainings of all seeds are, for the verdict.
    pub fn length(&self) -> Length {
        let has_parted =
            |trained: &Trained| (1..trained.numbers.len()).all(|replica| trained.onset(replica).1.is_some());
        let steps = self.seeds.iter().map(|trained| trained.run.steps.len()).min().unwrap_or(0);
        Length::of(self.seeds.iter().all(has_parted), steps)
    }

    /// Spread over k at each seed.
    pub fn over_k(&self) -> Vec<Spread> {
        self.seeds.iter().filter_map(Trained::spread).collect()
    }

    /// Spread over seeds at each k.
    pub fn over_seeds(&self) -> Vec<Spread> {
        let of = |k: usize| Spread::of(&self.seeds.iter().map(|trained| trained.numbers[k]).collect::<Vec<_>>());
        (0..self.seeds[0].numbers.len()).filter_map(of).collect()
    }

    /// Mean result of all trainings.
    pub fn mean(&self) -> f64 {
        mean(self.seeds.iter().flat_map(|trained| trained.numbers.iter().copied())).unwrap_or(f64::NAN)
    }

    /// Number of test images.
    pub fn images(&self) -> usize {
        self.seeds[0].predictions[0].len()
    }

    /// Mean churn in percent over all pairs of k at one seed.
    pub fn churn_over_k(&self) -> Option<f64> {
        mean(self.seeds.iter().filter_map(Trained::churn))
    }

    /// Mean churn in percent over all pairs of seeds at one k.
    pub fn churn_over_seeds(&self) -> Option<f64> {
        let at = |k: usize| self.seeds.iter().map(|trained| &trained.predictions[k]).collect::<Vec<_>>();
        mean((0..self.seeds[0].numbers.len()).filter_map(|k| mean_of_pairs(&at(k))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_text() {
        for text in ["resnet56:relu:cifar10", "vgg16:swish:fashion-mnist", "resnet8:swish:2:synthetic"] {
            assert_eq!(text.parse::<Row>().unwrap().to_string(), text);
        }
        for text in ["resnet56", "resnet56:relu", "resnet9:relu:cifar10", "resnet56:tanh:cifar10", "resnet56:relu:x"] {
            assert!(text.parse::<Row>().is_err(), "{text}");
        }
    }
}

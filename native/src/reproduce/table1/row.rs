//! A row of the table: a network on a data set, and its trainings.

use std::fmt;
use std::str::FromStr;

use lastbit_core::nets::NetKind;
use lastbit_core::ops::Activation;
use lastbit_core::train::DatasetKind;

use crate::reproduce::flags::Item;
use crate::reproduce::k_versus_seeds::{KVersusSeeds, Length};
use crate::reproduce::trained::{TrainedRun, churn_over_k, churn_over_seeds};
use crate::statistics::{mean, test_set_noise};
use crate::value_parsers::listed;

/// What the trainings of a row have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct RowSpec {
    /// Network.
    pub net: NetKind,
    /// Activation of the network.
    pub activation: Activation,
    /// Data set.
    pub dataset: DatasetKind,
}

impl RowSpec {
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

impl fmt::Display for RowSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.net, self.activation, self.dataset)
    }
}

impl FromStr for RowSpec {
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

impl Item for RowSpec {
    const NAME: &'static str = "ROW";

    fn parse(text: &str) -> Result<Self, String> {
        listed(text)
    }

    fn setting(&self) -> Result<toml::Value, toml::ser::Error> {
        Ok(toml::Value::String(self.to_string()))
    }
}

/// A row with all its trainings.
pub struct Row {
    /// What was trained.
    pub spec: RowSpec,
    /// `[seed]`: runs with the main form of the perturbation.
    pub seeds: Vec<TrainedRun>,
    /// The other forms of the perturbation at the first seed.
    pub forms: Vec<TrainedRun>,
}

impl Row {
    /// From the runs of a row in order: the seeds, then the other forms.
    pub fn new(spec: RowSpec, mut seeds: Vec<TrainedRun>, n_seeds: usize) -> Self {
        let forms = seeds.split_off(n_seeds);
        Self { spec, seeds, forms }
    }

    /// All runs.
    pub fn all(&self) -> impl Iterator<Item = &TrainedRun> {
        self.seeds.iter().chain(&self.forms)
    }

    /// The runs with the main form of the perturbation.
    pub fn of_seeds(&self) -> Vec<&TrainedRun> {
        self.seeds.iter().collect()
    }

    /// Number of replicas without the control.
    pub fn n_ks(&self) -> usize {
        self.seeds[0].compared()
    }

    /// How long the trainings of all seeds are, for the verdict.
    pub fn length(&self) -> Length {
        Length::of(&self.of_seeds())
    }

    /// Deviations of the accuracy.
    pub fn deviations(&self) -> KVersusSeeds {
        KVersusSeeds::of(&self.of_seeds(), 0, |run, replica| run.accuracy[replica])
    }

    /// Mean accuracy of all trainings.
    pub fn mean(&self) -> f64 {
        mean(self.seeds.iter().flat_map(|run| run.accuracy[..run.compared()].iter().copied())).unwrap_or(f64::NAN)
    }

    /// Number of test images.
    pub fn images(&self) -> usize {
        self.seeds[0].images()
    }

    /// Deviation of the accuracy over test sets of as many images.
    pub fn test_set_noise(&self) -> f64 {
        test_set_noise(self.mean(), self.images())
    }

    /// Mean churn in percent over all pairs of k at one seed.
    pub fn churn_over_k(&self) -> Option<f64> {
        churn_over_k(&self.of_seeds())
    }

    /// Mean churn in percent over all pairs of seeds at one k.
    pub fn churn_over_seeds(&self) -> Option<f64> {
        churn_over_seeds(&self.of_seeds(), self.n_ks())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_text() {
        for text in ["resnet56:relu:cifar10", "vgg16:swish:fashion-mnist", "resnet8:swish:2:synthetic"] {
            assert_eq!(text.parse::<RowSpec>().unwrap().to_string(), text);
        }
        for text in ["resnet56", "resnet56:relu", "resnet9:relu:cifar10", "resnet56:gelu:cifar10", "resnet56:relu:x"] {
            assert!(text.parse::<RowSpec>().is_err(), "{text}");
        }
    }
}

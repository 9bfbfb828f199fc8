//! Values of a config that have names of their own.

use serde::{Deserialize, Serialize};

/// Which images to train on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetKind {
    /// CIFAR-10, binary version.
    #[default]
    Cifar10,
    /// Fashion-MNIST, IDX files.
    FashionMnist,
    /// PNG and JPEG images in folders named by their class.
    Folder,
    /// Procedural images in ten classes; for the one-layer network, the checkerboard.
    Synthetic,
}

impl DatasetKind {
    /// Every kind, in the order of help texts.
    pub const ALL: [Self; 4] = [Self::Cifar10, Self::FashionMnist, Self::Folder, Self::Synthetic];
}

impl std::str::FromStr for DatasetKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.to_string() == text)
            .ok_or_else(|| format!("unknown data set '{text}': use cifar10, fashion-mnist, folder or synthetic"))
    }
}

impl std::fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cifar10 => "cifar10",
            Self::FashionMnist => "fashion-mnist",
            Self::Folder => "folder",
            Self::Synthetic => "synthetic",
        })
    }
}

/// What a network with a logit for each class minimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Cross-entropy of the softmax; binary cross-entropy in the one-layer network.
    #[default]
    CrossEntropy,
    /// Mean squared error as in Cohen et al. 2021: half the squared distance of the logits from the one-hot label, summed over the
    /// classes, averaged over the samples.
    Mse,
}

impl LossKind {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl std::str::FromStr for LossKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "cross-entropy" => Ok(Self::CrossEntropy),
            "mse" => Ok(Self::Mse),
            _ => Err(format!("unknown loss '{text}': use cross-entropy or mse")),
        }
    }
}

impl std::fmt::Display for LossKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::CrossEntropy => "cross-entropy",
            Self::Mse => "mse",
        })
    }
}

/// A learning rate that replaces the initial one from a step on; as text `STEP:LR`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LrChange {
    /// First step with this learning rate, from 1.
    pub step: u64,
    /// The learning rate.
    pub lr: f64,
}

impl std::str::FromStr for LrChange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once(':').and_then(|(step, lr)| Some((step.trim().parse().ok()?, lr.trim().parse().ok()?)));
        let (step, lr) = parts.ok_or_else(|| format!("'{text}' is not STEP:LR, as in 20:0.01"))?;
        Ok(Self { step, lr })
    }
}

impl TryFrom<String> for LrChange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl std::fmt::Display for LrChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.step, self.lr)
    }
}

impl From<LrChange> for String {
    fn from(change: LrChange) -> Self {
        change.to_string()
    }
}

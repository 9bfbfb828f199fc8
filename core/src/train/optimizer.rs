//! The optimisers of a run, and the arenas of state that each of them keeps beside the parameters.

use serde::{Deserialize, Serialize};

use crate::ops::sgd::Perturbation;

/// How gradients become updates (docs/RULES.md, "The algorithm").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Stochastic gradient descent, with momentum or without.
    #[default]
    Sgd,
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
    AdamW,
}

impl Optimizer {
    /// All optimisers.
    pub const ALL: [Self; 2] = [Self::Sgd, Self::AdamW];

    /// The name in configs and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::AdamW => "adamw",
        }
    }

    /// Names of the arenas, in order; PyTorch's, but for SGD's momentum buffer. Each holds one number for each parameter.
    #[must_use]
    pub fn arenas(self) -> &'static [&'static str] {
        match self {
            Self::Sgd => &["momentum"],
            Self::AdamW => &["exp_avg", "exp_avg_sq"],
        }
    }
}

impl std::str::FromStr for Optimizer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|optimizer| optimizer.name() == text.trim());
        found.ok_or_else(|| "use sgd or adamw".to_owned())
    }
}

/// What fixes the kernels of a run's update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpdateRule {
    /// The optimiser.
    pub optimizer: Optimizer,
    /// How k enters the update.
    pub perturbation: Perturbation,
}

impl From<Perturbation> for UpdateRule {
    /// SGD.
    fn from(perturbation: Perturbation) -> Self {
        Self { optimizer: Optimizer::Sgd, perturbation }
    }
}

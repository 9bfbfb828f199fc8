//! Activations, and their launches where no batch norm precedes them (batch norm fuses its activation): of planes and of features.

use serde::{Deserialize, Serialize};

use super::{Shape, workgroups};
use crate::record::{Binding, Constant, Kernel, Recording, Shader, Work};

/// The nonlinearity of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Activation {
    /// max(x, 0); its derivative at 0 is 0.
    Relu,
    /// x * sigmoid(beta * x), Ramachandran et al. 2017. The paper's ResNets have beta = 5, its one-layer network 1.
    Swish {
        /// Steepness, positive and finite.
        beta: f32,
    },
    /// The hyperbolic tangent, as in the networks of Cohen et al. 2021.
    Tanh,
}

/// The beta of `swish` without a number, as in the paper's ResNets.
pub const DEFAULT_SWISH_BETA: f32 = 5.0;

impl std::str::FromStr for Activation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "relu" => Ok(Self::Relu),
            None if text == "tanh" => Ok(Self::Tanh),
            None if text == "swish" => Ok(Self::Swish { beta: DEFAULT_SWISH_BETA }),
            Some(("swish", text)) => match text.parse::<f32>() {
                Ok(beta) if beta.is_normal() && beta > 0.0 => Ok(Self::Swish { beta }),
                // In float32, `1e-50` is 0 and `1e39` is infinite.
                Ok(_) if text.parse().is_ok_and(|beta: f64| beta.is_finite() && beta > 0.0) => {
                    Err(format!("float32 cannot hold the beta of swish:{text}: use a value between 1.2e-38 and 3.4e38"))
                }
                _ => Err(format!("invalid beta '{text}' after 'swish:': use a positive number")),
            },
            _ => Err(format!("unknown activation '{text}': use relu, swish, swish:BETA or tanh")),
        }
    }
}

impl TryFrom<String> for Activation {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl std::fmt::Display for Activation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Relu => write!(f, "relu"),
            Self::Swish { beta } if *beta == DEFAULT_SWISH_BETA => write!(f, "swish"),
            Self::Swish { beta } => write!(f, "swish:{beta}"),
            Self::Tanh => write!(f, "tanh"),
        }
    }
}

impl From<Activation> for String {
    fn from(activation: Activation) -> Self {
        activation.to_string()
    }
}

/// The constants of `shaders/shared/activation.wgsl`.
#[must_use]
pub fn constants(activation: Option<Activation>) -> [(&'static str, Constant); 2] {
    let (kind, beta) = match activation {
        None => (0, 1.0),
        Some(Activation::Relu) => (1, 1.0),
        Some(Activation::Swish { beta }) => (2, beta),
        Some(Activation::Tanh) => (3, 1.0),
    };
    [("ACTIVATION", Constant::U32(kind)), ("BETA", Constant::F32(beta))]
}

fn kernel(shader: Shader, shape: Shape, activation: Activation) -> Kernel {
    let mut all = vec![
        ("C", shape.channels.into()),
        ("HEIGHT", shape.height.into()),
        ("WIDTH", shape.width.into()),
        ("ROW", shape.row().into()),
        ("PLANE", shape.plane().into()),
    ];
    all.extend(constants(Some(activation)));
    Kernel::new(shader, &all)
}

/// Appends `a = activation(y)`.
pub fn forward(rec: &mut Recording, label: &str, shape: Shape, activation: Activation, y: Binding, a: Binding) {
    launch(rec, label, shape, kernel(Shader::ActivationForward, shape, activation), y, a);
}

/// Appends `a = activation(z)` of `elements` features in each replica.
///
/// # Panics
/// If a u32 cannot count the features: such a tensor is over every adapter's limit long before.
pub fn forward_features(
    rec: &mut Recording,
    label: &str,
    elements: u64,
    activation: Activation,
    z: Binding,
    a: Binding,
) {
    launch_features(
        rec,
        label,
        elements,
        Kernel::new(Shader::ActivationFeaturesForward, &constants(Some(activation))),
        z,
        a,
    );
}

/// Appends `g <- g * activation'(z)` of `elements` features in each replica, in place.
///
/// # Panics
/// As [`forward_features`].
pub fn backward_features(
    rec: &mut Recording,
    label: &str,
    elements: u64,
    activation: Activation,
    z: Binding,
    g: Binding,
) {
    launch_features(
        rec,
        label,
        elements,
        Kernel::new(Shader::ActivationFeaturesBackward, &constants(Some(activation))),
        z,
        g,
    );
}

fn launch_features(rec: &mut Recording, label: &str, elements: u64, kernel: Kernel, from: Binding, to: Binding) {
    let work = Work::new(elements * 8, elements * 8);
    let count = u32::try_from(elements).expect("fewer than 2^32 elements");
    rec.dispatch_with(label, kernel, &[from, to], workgroups(elements), work, &[count]);
}

/// Appends `g <- g * activation'(y)`, in place.
pub fn backward(rec: &mut Recording, label: &str, shape: Shape, activation: Activation, y: Binding, g: Binding) {
    launch(rec, label, shape, kernel(Shader::ActivationBackward, shape, activation), y, g);
}

fn launch(rec: &mut Recording, label: &str, shape: Shape, kernel: Kernel, from: Binding, to: Binding) {
    let samples = u64::from(rec.job.samples);
    let threads = samples * u64::from(shape.channels * shape.height * shape.quads());
    let elements = samples * shape.elements();
    rec.dispatch(label, kernel, &[from, to], workgroups(threads), Work::new(elements * 8, elements * 8));
}

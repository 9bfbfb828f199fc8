//! Networks as declarative graphs, to be checked against the paper at a glance.

mod graph;
mod one_layer;
mod resnet;

pub use graph::{GraphBuilder, Init, Network, Node, Operation, Parameter, TensorId};

use crate::ops::{Activation, Shape};
use thiserror::Error;

/// A network by name, as in `--net`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetKind {
    /// CIFAR-style ResNet of 6n + 2 layers.
    ResNet {
        /// 8, 14, 20, 26, 32, ... 110.
        depth: u32,
    },
    /// The paper's one-layer network.
    OneLayer,
}

/// What is wrong with a network's name or input.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NetError {
    /// No such network.
    #[error(
        "unknown network '{0}': use resnet8, resnet14, resnet20, resnet32, resnet44, resnet56, resnet110 or one-layer"
    )]
    Unknown(String),
    /// The network cannot take such images.
    #[error("{net} wants {wanted}, but the data set has {channels} x {height} x {width}")]
    Input {
        /// Name of the network.
        net: String,
        /// What it wants, in words.
        wanted: &'static str,
        /// C
        channels: u32,
        /// H
        height: u32,
        /// W
        width: u32,
    },
    /// A yes-or-no network cannot learn so many classes.
    #[error("one-layer tells two classes apart, but the data set has {0}: use resnet8 or larger")]
    Classes(u32),
    /// The width multiplier is out of range.
    #[error("width must be between 0.25 and 8 and give whole channels, not {0}")]
    Width(String),
}

impl std::str::FromStr for NetKind {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let unknown = || NetError::Unknown(text.to_owned());
        if text == "one-layer" {
            return Ok(Self::OneLayer);
        }
        let depth: u32 = text.strip_prefix("resnet").ok_or_else(unknown)?.parse().map_err(|_| unknown())?;
        if !(8..=1202).contains(&depth) || depth % 6 != 2 || text != format!("resnet{depth}") {
            return Err(unknown());
        }
        Ok(Self::ResNet { depth })
    }
}

impl std::fmt::Display for NetKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ResNet { depth } => write!(f, "resnet{depth}"),
            Self::OneLayer => write!(f, "one-layer"),
        }
    }
}

impl NetKind {
    /// Builds the network for images of `input` and `classes` classes. `width` multiplies the channels (1 as published).
    ///
    /// # Errors
    /// If the network cannot take such images or the width gives no whole number of channels.
    pub fn build(self, input: Shape, classes: u32, activation: Activation, width: f64) -> Result<Network, NetError> {
        let wrong = |wanted| NetError::Input {
            net: self.to_string(),
            wanted,
            channels: input.channels,
            height: input.height,
            width: input.width,
        };
        match self {
            Self::OneLayer => {
                if input.channels != 1 || input.height < 32 || input.width < 32 {
                    return Err(wrong("one channel and at least 32 x 32 pixels"));
                }
                if classes != 2 {
                    return Err(NetError::Classes(classes));
                }
                Ok(one_layer::build(input, activation))
            }
            Self::ResNet { depth } => {
                if !matches!(input.channels, 1 | 3) || input.height < 8 || input.width < 8 {
                    return Err(wrong("1 or 3 channels and at least 8 x 8 pixels"));
                }
                let base = 16.0 * width;
                if !(0.25..=8.0).contains(&width) || base.fract() != 0.0 {
                    return Err(NetError::Width(width.to_string()));
                }
                Ok(resnet::build(depth, input, classes, activation, base as u32))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(depth: u32) -> u64 {
        let net = NetKind::ResNet { depth };
        net.build(Shape::new(3, 32, 32), 10, Activation::Relu, 1.0).unwrap().parameter_count()
    }

    #[test]
    fn resnet_parameter_counts_are_the_published_ones() {
        // He et al. 2016 plus the projection shortcuts (option B) that DESIGN section 3 names.
        assert_eq!(parameters(56), 855_770);
        assert_eq!(parameters(20), 272_474);
        assert_eq!(parameters(8), 78_042);
    }

    #[test]
    fn names_are_torchvision_s() {
        let net = NetKind::ResNet { depth: 56 }.build(Shape::new(3, 32, 32), 10, Activation::Relu, 1.0).unwrap();
        let names: Vec<_> = net.parameters.iter().map(|p| p.name.as_str()).collect();
        for name in [
            "conv1.weight",
            "bn1.bias",
            "layer2.5.conv1.weight",
            "layer2.0.downsample.0.weight",
            "fc.weight",
            "fc.bias",
        ] {
            assert!(names.contains(&name), "{name} is missing");
        }
        assert!(!names.contains(&"layer1.0.downsample.0.weight"));
    }

    #[test]
    fn bad_names_are_named() {
        for name in ["resnet9", "resnet2", "resnet", "resnet020", "vgg", ""] {
            assert_eq!(name.parse::<NetKind>(), Err(NetError::Unknown(name.to_owned())));
        }
    }
}

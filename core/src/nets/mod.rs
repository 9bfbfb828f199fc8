//! Networks as declarative graphs, which can be checked against the paper at a glance.

mod gated;
mod graph;
mod mlp;
mod one_layer;
mod preresnet;
mod resnet;
mod vgg;
mod walk;

pub use graph::{GraphBuilder, Init, Network, Node, Operation, Parameter, ParameterId, TensorId};
pub use walk::{Backward, Forward, Tensors};

use crate::ops::{Activation, Shape};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A network by name, as in `--net`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetKind {
    /// CIFAR-style ResNet of 6n + 2 layers.
    ResNet {
        /// 6n + 2 from 8 to 1202, such as 8, 20, 56 or 110.
        depth: u32,
    },
    /// CIFAR-style pre-activation ResNet of 6n + 2 layers.
    PreResNet {
        /// 6n + 2 from 8 to 1202, such as 8, 20, 56 or 110.
        depth: u32,
    },
    /// WideResNet of 6n + 4 layers.
    WideResNet {
        /// 6n + 4 from 10 to 1204, such as 16, 28 or 40.
        depth: u32,
        /// K, the factor on the channels, from 1 to 20.
        factor: u32,
    },
    /// CIFAR-style VGG with batch norm.
    Vgg {
        /// 11, 13 or 16.
        depth: u32,
    },
    /// A multilayer perceptron.
    Mlp {
        /// Hidden layers, from 1 to 8.
        layers: u32,
    },
    /// The paper's one-layer network.
    OneLayer,
}

/// What follows the convolutions of a ResNet, PreResNet, WideResNet or VGG, as in `--norm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Batch norm.
    #[default]
    Batch,
    /// Group norm, in groups of 8 channels.
    Group,
    /// No norm, but a bias for each channel.
    None,
}

impl Norm {
    /// Whether it is the one that configs leave out.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl std::str::FromStr for Norm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "batch" => Ok(Self::Batch),
            "group" => Ok(Self::Group),
            "none" => Ok(Self::None),
            _ => Err(format!("unknown norm '{text}': use batch, group or none")),
        }
    }
}

impl std::fmt::Display for Norm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Batch => "batch",
            Self::Group => "group",
            Self::None => "none",
        })
    }
}

/// Why a network's name, input or width is invalid.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NetError {
    /// The name of an unknown network.
    #[error(
        "unknown network '{0}': use resnet8, resnet14, resnet20, resnet32, resnet44, resnet56, resnet110, preresnet8, \
         preresnet14, ..., wrn16-4, wrn28-10 and other wrnD-K with D = 6n + 4, vgg11, vgg13, vgg16, mlp1, ..., mlp8 or one-layer"
    )]
    Unknown(String),
    /// The network does not support images of this shape.
    #[error("{net} needs {wanted}, but the data set has {channels} x {height} x {width}")]
    Input {
        /// Name of the network.
        net: String,
        /// The images that it needs, in words.
        wanted: &'static str,
        /// Channels of the data set's images.
        channels: u32,
        /// Height of the data set's images in pixels.
        height: u32,
        /// Width of the data set's images in pixels.
        width: u32,
    },
    /// The one-layer network distinguishes two classes, not this number.
    #[error("one-layer distinguishes two classes, but the data set has {0}: use resnet8 or larger")]
    Classes(u32),
    /// The width multiplier is out of range, or gives a fraction of a channel or unit.
    #[error("width must be between 0.25 and 8 and give a whole number of channels or units, not {0}")]
    Width(String),
}

impl std::str::FromStr for NetKind {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let depth = |family| text.strip_prefix(family)?.parse::<u32>().ok();
        let residual = |family| depth(family).filter(|d| (8..=1202).contains(d) && d % 6 == 2);
        let wide = || {
            let (depth, factor) = text.strip_prefix("wrn")?.split_once('-')?;
            Some((depth.parse::<u32>().ok()?, factor.parse::<u32>().ok()?))
        };
        let is_wide =
            |(depth, factor): &(u32, u32)| (10..=1204).contains(depth) && depth % 6 == 4 && (1..=20).contains(factor);
        let kind = if let Some(depth) = residual("resnet") {
            Self::ResNet { depth }
        } else if let Some(depth) = residual("preresnet") {
            Self::PreResNet { depth }
        } else if let Some((depth, factor)) = wide().filter(is_wide) {
            Self::WideResNet { depth, factor }
        } else if let Some(depth) = depth("vgg").filter(|d| vgg::convolutions(*d).is_some()) {
            Self::Vgg { depth }
        } else if let Some(layers) = depth("mlp").filter(|layers| (1..=8).contains(layers)) {
            Self::Mlp { layers }
        } else {
            Self::OneLayer
        };
        // Accept one spelling only, not resnet020.
        if kind.to_string() == text { Ok(kind) } else { Err(NetError::Unknown(text.to_owned())) }
    }
}

impl std::fmt::Display for NetKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ResNet { depth } => write!(f, "resnet{depth}"),
            Self::PreResNet { depth } => write!(f, "preresnet{depth}"),
            Self::WideResNet { depth, factor } => write!(f, "wrn{depth}-{factor}"),
            Self::Vgg { depth } => write!(f, "vgg{depth}"),
            Self::Mlp { layers } => write!(f, "mlp{layers}"),
            Self::OneLayer => write!(f, "one-layer"),
        }
    }
}

impl NetKind {
    /// Builds the network with batch norm for images of shape `input` in `classes` classes. `width` multiplies the channels (1 as
    /// published).
    ///
    /// # Errors
    /// As [`NetKind::build_with`].
    pub fn build(self, input: Shape, classes: u32, activation: Activation, width: f64) -> Result<Network, NetError> {
        self.build_with(Norm::Batch, input, classes, activation, width)
    }

    /// [`NetKind::build`] with norms of another kind, which one-layer and MLPs do not have.
    ///
    /// # Errors
    /// [`NetError::Input`] or [`NetError::Classes`] if the network does not support such images, [`NetError::Width`] if the width is out
    /// of range or gives a fraction of a channel, [`NetError::Unknown`] for a VGG of another depth.
    pub fn build_with(
        self,
        norm: Norm,
        input: Shape,
        classes: u32,
        activation: Activation,
        width: f64,
    ) -> Result<Network, NetError> {
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
            Self::ResNet { depth } | Self::PreResNet { depth } | Self::WideResNet { depth, .. } => {
                if !matches!(input.channels, 1 | 3) || input.height < 8 || input.width < 8 {
                    return Err(wrong("1 or 3 channels and at least 8 x 8 pixels"));
                }
                let stem = channels(16.0, width)?;
                let blocks = (depth - 2) / 6;
                let sizes = match self {
                    Self::ResNet { .. } => return Ok(resnet::build(norm, depth, input, classes, activation, stem)),
                    Self::WideResNet { factor, .. } => preresnet::Sizes { blocks, stem, channels: factor * stem },
                    _ => preresnet::Sizes { blocks, stem, channels: stem },
                };
                Ok(preresnet::build(&self.to_string(), norm, sizes, input, classes, activation))
            }
            Self::Mlp { layers } => Ok(mlp::build(layers, input, classes, activation, channels(200.0, width)?)),
            Self::Vgg { depth } => {
                let sides_fit = [input.height, input.width].iter().all(|side| *side > 0 && side % vgg::SIDE == 0);
                if !matches!(input.channels, 1 | 3) || !sides_fit {
                    return Err(wrong("1 or 3 channels and sides that are multiples of 32 pixels"));
                }
                let stages = vgg::convolutions(depth).ok_or_else(|| NetError::Unknown(self.to_string()))?;
                Ok(vgg::build(&self.to_string(), norm, stages, input, classes, activation, channels(64.0, width)?))
            }
        }
    }
}

/// `published` channels times `width`.
fn channels(published: f64, width: f64) -> Result<u32, NetError> {
    let channels = published * width;
    if !(0.25..=8.0).contains(&width) || channels.fract() != 0.0 {
        return Err(NetError::Width(width.to_string()));
    }
    Ok(channels as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(name: &str) -> Network {
        let kind: NetKind = name.parse().unwrap();
        assert_eq!(kind.to_string(), name);
        kind.build(Shape::new(3, 32, 32), 10, Activation::Relu, 1.0).unwrap()
    }

    #[test]
    fn parameter_counts_are_the_published_ones() {
        // He et al. 2016 plus the projection shortcuts (option B), and VGG, as in docs/RULES.md. VGG11 and VGG13
        // by the same sum over their layers: 9 c k + 2 k each, and 5130 in the dense layer.
        for (name, parameters) in [
            ("resnet56", 855_770),
            ("resnet20", 272_474),
            ("resnet8", 78_042),
            ("preresnet20", 272_282),
            // Zagoruyko & Komodakis 2016, table 4: 2.7, 8.9 and 36.5 million.
            ("wrn16-4", 2_748_890),
            ("wrn40-4", 8_949_210),
            ("wrn28-10", 36_479_194),
            // Without a projection in the first stage.
            ("wrn10-1", 77_850),
            ("vgg11", 9_228_362),
            ("vgg13", 9_413_066),
            ("vgg16", 14_724_042),
            // 3072 x 200 + 200, 200 x 200 + 200, 200 x 10 + 10.
            ("mlp2", 656_810),
        ] {
            assert_eq!(published(name).parameter_count(), parameters, "{name}");
        }
    }

    #[test]
    fn divergence_is_measured_over_convolutions_or_else_over_matrices() {
        let measured = |net: &str| -> Vec<String> {
            let all = published(net).parameters.into_iter();
            all.filter(|parameter| parameter.measured).map(|parameter| parameter.name).collect()
        };
        assert_eq!(measured("mlp2"), ["fc1.weight", "fc2.weight", "fc3.weight"]);
        // Seven 3x3 convolutions and two projections, without the dense layer.
        let resnet = measured("resnet8");
        assert!(resnet.len() == 9 && resnet.iter().all(|name| !name.starts_with("fc")), "{resnet:?}");
    }

    #[test]
    fn names_are_those_of_torchvision() {
        let check = |net: &str, wanted: &[&str], unwanted: &str| {
            let network = published(net);
            let names: Vec<_> = network.parameters.iter().map(|p| p.name.as_str()).collect();
            wanted.iter().for_each(|name| assert!(names.contains(name), "{net} has no {name}: {names:?}"));
            assert!(!names.contains(&unwanted), "{net} has {unwanted}");
        };
        let downsample = "layer2.0.downsample.0.weight";
        let resnet = ["conv1.weight", "bn1.bias", "layer2.5.conv1.weight", downsample, "fc.weight", "fc.bias"];
        check("resnet56", &resnet, "layer1.0.downsample.0.weight");
        // torchvision.models.vgg16_bn().features: the convolutions of its last stage are modules 34, 37 and 40.
        let vgg = ["features.0.weight", "features.1.bias", "features.7.weight", "features.34.weight"];
        let end = ["features.40.weight", "features.41.weight", "classifier.weight", "classifier.bias"];
        check("vgg16", &[vgg, end].concat(), "features.0.bias");
        check("mlp2", &["fc1.weight", "fc1.bias", "fc2.weight", "fc3.weight", "fc3.bias"], "fc4.weight");
    }

    #[test]
    fn widths_and_sides_that_do_not_fit_are_refused() {
        let build = |width, side| {
            let net = NetKind::Vgg { depth: 11 }.build(Shape::new(3, side, side), 10, Activation::Relu, width);
            net.map(|net| net.shapes[1].channels)
        };
        assert_eq!(build(0.25, 32), Ok(16));
        assert_eq!(build(1.5, 64), Ok(96));
        for width in [0.3, 0.125, 9.0, f64::NAN] {
            assert_eq!(build(width, 32), Err(NetError::Width(width.to_string())));
        }
        for side in [0, 16, 28, 48] {
            let text = build(1.0, side).unwrap_err().to_string();
            assert!(text.contains("vgg11 needs") && text.contains("multiples of 32"), "{text}");
        }
    }

    #[test]
    fn unknown_names_are_refused() {
        for name in [
            "resnet9",
            "preresnet9",
            "resnet2",
            "resnet",
            "resnet020",
            "vgg",
            "vgg12",
            "vgg016",
            "wrn",
            "wrn16",
            "wrn17-4",
            "wrn16-0",
            "wrn16-21",
            "wrn16-04",
            "mlp0",
            "mlp9",
            "mlp02",
            "",
        ] {
            assert_eq!(name.parse::<NetKind>(), Err(NetError::Unknown(name.to_owned())));
        }
    }
}

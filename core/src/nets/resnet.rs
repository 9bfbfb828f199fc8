//! CIFAR-style ResNets (He et al. 2016, section 4.2, with projection shortcuts): depth 6n + 2, three stages of n basic
//! blocks with 16, 32, 64 channels, 3x3 convolutions without bias.

use super::Norm;
use super::graph::{GraphBuilder, Network, TensorId};
use crate::ops::{Activation, Shape, cross_entropy::Loss};

/// ResNet-`depth` for images of shape `input`, with `channels` channels in the first stage (16 as published).
pub fn build(norm: Norm, depth: u32, input: Shape, classes: u32, activation: Activation, channels: u32) -> Network {
    let mut g = GraphBuilder::new(format!("resnet{depth}"), input, Loss::SoftmaxCrossEntropy).with_norm(norm);
    let x = g.conv3x3("conv1", g.input(), channels);
    let mut x = g.norm_act("bn1", x, activation);
    for Block { name, channels, down } in blocks(depth, channels) {
        x = basic_block(&mut g, &name, x, channels, down, activation);
        g.scale_branch(&name, (depth - 2) / 2);
    }
    let x = g.global_average_pool(x);
    g.dense("fc", x, classes);
    g.finish()
}

/// A residual block of a CIFAR-style network.
pub(super) struct Block {
    /// `layer1.0`
    pub name: String,
    /// Channels of its output.
    pub channels: u32,
    /// Whether it halves the resolution, and so changes the shape.
    pub down: bool,
}

/// The blocks of a network of `depth` layers in their order, with `channels` channels in the first stage.
pub(super) fn blocks(depth: u32, channels: u32) -> impl Iterator<Item = Block> {
    let of_stage = (depth - 2) / 6;
    (0..3 * of_stage).map(move |i| {
        let (stage, block) = (i / of_stage, i % of_stage);
        let name = format!("layer{}.{block}", stage + 1);
        Block { name, channels: channels << stage, down: stage > 0 && block == 0 }
    })
}

fn basic_block(
    g: &mut GraphBuilder,
    name: &str,
    x: TensorId,
    channels: u32,
    down: bool,
    activation: Activation,
) -> TensorId {
    let [conv1, conv2] = [1, 2].map(|i| format!("{name}.conv{i}"));
    let projection = format!("{name}.downsample.0");
    let [y, shortcut] =
        if down { g.conv_down([&conv1, &projection], x, channels) } else { [g.conv3x3(&conv1, x, channels), x] };
    let y = g.norm_act(&format!("{name}.bn1"), y, activation);
    let y = g.conv3x3(&conv2, y, channels);
    let shortcut = if down {
        // The order of the parameters since version 1 of docs/ORDER.md: recorded bits depend on it.
        g.move_after(&format!("{projection}.weight"), &format!("{conv2}.weight"));
        g.norm(&format!("{name}.downsample.1"), shortcut)
    } else {
        shortcut
    };
    g.norm_add_act(&format!("{name}.bn2"), y, shortcut, activation)
}

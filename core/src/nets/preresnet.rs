//! CIFAR-style pre-activation ResNets (He et al. 2016, "Identity Mappings in Deep Residual Networks"): depth 6n + 2, three stages
//! of n blocks with 16, 32, 64 channels. Norm and activation come before each convolution, and nothing lies on the identity path.

use super::graph::{GraphBuilder, Network, TensorId};
use super::resnet::{Block, blocks};
use crate::ops::{Activation, Shape, cross_entropy::Loss};

/// PreResNet-`depth` on images of `input`; `channels` in the first stage (16 as published).
pub fn build(depth: u32, input: Shape, classes: u32, activation: Activation, channels: u32) -> Network {
    let mut g = GraphBuilder::new(format!("preresnet{depth}"), input, Loss::SoftmaxCrossEntropy);
    let mut x = g.conv3x3("conv1", g.input(), channels);
    for Block { name, channels, down } in blocks(depth, channels) {
        x = pre_activation_block(&mut g, &name, x, channels, down, activation);
    }
    let x = g.norm_act("bn", x, activation);
    let x = g.global_average_pool(x);
    g.dense("fc", x, classes);
    g.finish()
}

/// One block. If it goes `down`, it halves the resolution and projects its pre-activated input.
fn pre_activation_block(
    g: &mut GraphBuilder,
    name: &str,
    x: TensorId,
    channels: u32,
    down: bool,
    activation: Activation,
) -> TensorId {
    let [conv1, conv2, projection] = ["conv1", "conv2", "downsample.0"].map(|layer| format!("{name}.{layer}"));
    let a = g.norm_act(&format!("{name}.bn1"), x, activation);
    let [y, shortcut] =
        if down { g.conv_down([&conv1, &projection], a, channels) } else { [g.conv3x3(&conv1, a, channels), x] };
    let y = g.norm_act(&format!("{name}.bn2"), y, activation);
    let y = g.conv3x3(&conv2, y, channels);
    g.add(&format!("{name}.add"), y, shortcut)
}

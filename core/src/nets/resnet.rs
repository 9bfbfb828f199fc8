//! CIFAR-style ResNets (He et al. 2016, section 4.2, with projection shortcuts): depth 6n + 2, three stages of n basic
//! blocks with 16, 32, 64 channels, 3x3 convolutions without bias.

use super::graph::{GraphBuilder, Network, TensorId};
use crate::ops::{Activation, Shape, cross_entropy::Loss};

/// ResNet-`depth` for images of shape `input`, with `channels` channels in the first stage (16 as published).
pub fn build(depth: u32, input: Shape, classes: u32, activation: Activation, channels: u32) -> Network {
    let mut g = GraphBuilder::new(format!("resnet{depth}"), input, Loss::SoftmaxCrossEntropy);
    let x = g.conv3x3("conv1", g.input(), channels);
    let mut x = g.norm_act("bn1", x, activation);
    for stage in 0..3 {
        let out_channels = channels << stage;
        for block in 0..(depth - 2) / 6 {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = basic_block(&mut g, &format!("layer{}.{block}", stage + 1), x, out_channels, stride, activation);
        }
    }
    let x = g.global_average_pool(x);
    g.dense("fc", x, classes);
    g.finish()
}

fn basic_block(
    g: &mut GraphBuilder,
    name: &str,
    x: TensorId,
    channels: u32,
    stride: u32,
    activation: Activation,
) -> TensorId {
    let [conv1, conv2] = [1, 2].map(|i| format!("{name}.conv{i}"));
    // The shape changes exactly where the stride is 2.
    let projection = format!("{name}.downsample.0");
    let [y, shortcut] =
        if stride == 2 { g.conv_down([&conv1, &projection], x, channels) } else { [g.conv3x3(&conv1, x, channels), x] };
    let y = g.norm_act(&format!("{name}.bn1"), y, activation);
    let y = g.conv3x3(&conv2, y, channels);
    let shortcut = if stride == 2 {
        // The order of the parameters since version 1 of docs/ORDER.md: recorded bits depend on it.
        g.move_after(&format!("{projection}.weight"), &format!("{conv2}.weight"));
        g.batch_norm(&format!("{name}.downsample.1"), shortcut)
    } else {
        shortcut
    };
    g.norm_add_act(&format!("{name}.bn2"), y, shortcut, activation)
}

//! VGG with batch norm in the common CIFAR form (Simonyan & Zisserman 2015, configurations A, B and D): 3x3 convolutions
//! without bias, five 2x2 max pools, one dense layer. 32x32 pixels end as 1x1; larger maps are averaged.

use super::Norm;
use super::graph::{GraphBuilder, Network};
use crate::ops::{Activation, Shape, cross_entropy::Loss};

/// Sides of the input are multiples of this: five max pools halve them.
pub const SIDE: u32 = 32;

/// Number of convolutions before each max pool; `None` for an unknown depth.
pub fn convolutions(depth: u32) -> Option<[u32; 5]> {
    match depth {
        11 => Some([1, 1, 2, 2, 2]),
        13 => Some([2, 2, 2, 2, 2]),
        16 => Some([2, 2, 3, 3, 3]),
        _ => None,
    }
}

/// VGG with `stages` for images of shape `input`, with `channels` channels in the first stage (64 as published).
pub fn build(
    name: &str,
    norm: Norm,
    stages: [u32; 5],
    input: Shape,
    classes: u32,
    activation: Activation,
    channels: u32,
) -> Network {
    let mut g = GraphBuilder::new(name, input, Loss::SoftmaxCrossEntropy).with_norm(norm);
    let mut x = g.input();
    // torchvision counts every module: convolution, batch norm, activation, pool.
    let mut module = 0;
    for (stage, convolutions) in stages.into_iter().enumerate() {
        for _ in 0..convolutions {
            // 1, 2, 4, 8 and 8 times the first stage's channels.
            let y = g.conv3x3(&format!("features.{module}"), x, channels << stage.min(3));
            x = g.norm_act(&format!("features.{}", module + 1), y, activation);
            module += 3;
        }
        x = g.max_pool(&format!("features.{module}"), x);
        module += 1;
    }
    let x = g.global_average_pool(x);
    g.dense("classifier", x, classes);
    g.finish()
}

//! The one-layer network of the paper's section 4: one 32x32 kernel, valid convolution, Swish, global average,
//! sigmoid, binary cross-entropy. 256x256 pixels give 225x225.

use super::graph::{GraphBuilder, Network};
use crate::ops::{Activation, Shape, cross_entropy::Loss};

/// Edge of the kernel.
const KERNEL: u32 = 32;

/// The network for one-channel images of shape `input`.
pub fn build(input: Shape, activation: Activation) -> Network {
    let mut g = GraphBuilder::new("one-layer", input, Loss::SigmoidBinaryCrossEntropy);
    let x = g.conv_valid("conv1", g.input(), KERNEL);
    let x = g.activation("act1", x, activation);
    g.global_average_pool(x);
    g.finish()
}

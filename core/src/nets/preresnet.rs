//! Pre-activation ResNets of CIFAR: norm and activation come before each convolution, and nothing lies on the identity path.
//!
//! PreResNet (He et al. 2016, "Identity Mappings in Deep Residual Networks") has depth 6n + 2, three stages of n blocks with 16, 32, 64
//! channels. WideResNet (Zagoruyko & Komodakis 2016, "Wide Residual Networks") has depth 6n + 4 and K times as many channels after the
//! first convolution; its first block widens without halving, by a 1x1 convolution with stride 1.

use super::Norm;
use super::graph::{GraphBuilder, Network, TensorId};
use crate::ops::{Activation, Shape, cross_entropy::Loss};

/// The sizes of a network.
#[derive(Clone, Copy)]
pub struct Sizes {
    /// Blocks in each of the three stages.
    pub blocks: u32,
    /// Channels of the first convolution.
    pub stem: u32,
    /// Channels of the first stage; the others have twice and four times as many.
    pub channels: u32,
}

/// The network called `name` for images of shape `input`.
pub fn build(name: &str, norm: Norm, sizes: Sizes, input: Shape, classes: u32, activation: Activation) -> Network {
    let mut g = GraphBuilder::new(name, input, Loss::SoftmaxCrossEntropy).with_norm(norm);
    let mut x = g.conv3x3("conv1", g.input(), sizes.stem);
    let mut previous = sizes.stem;
    for (stage, block) in (0..3).flat_map(|stage| (0..sizes.blocks).map(move |block| (stage, block))) {
        let name = format!("layer{}.{block}", stage + 1);
        let shortcut = if stage > 0 && block == 0 {
            Shortcut::Down
        } else if previous != sizes.channels << stage {
            Shortcut::Widen
        } else {
            Shortcut::Identity
        };
        previous = sizes.channels << stage;
        x = block_of(&mut g, &name, x, previous, shortcut, activation);
        g.scale_branch(&name, 3 * sizes.blocks);
    }
    let x = g.norm_act("bn", x, activation);
    let x = g.global_average_pool(x);
    g.dense("fc", x, classes);
    g.finish()
}

/// The shortcut of a block.
enum Shortcut {
    /// The block's input.
    Identity,
    /// A 1x1 convolution of the pre-activated input.
    Widen,
    /// The same with stride 2, where the block halves the resolution.
    Down,
}

/// One block.
fn block_of(
    g: &mut GraphBuilder,
    name: &str,
    x: TensorId,
    channels: u32,
    shortcut: Shortcut,
    activation: Activation,
) -> TensorId {
    let [conv1, conv2, projection] = ["conv1", "conv2", "downsample.0"].map(|layer| format!("{name}.{layer}"));
    let a = g.norm_act(&format!("{name}.bn1"), x, activation);
    let [y, shortcut] = match shortcut {
        Shortcut::Identity => [g.conv3x3(&conv1, a, channels), x],
        Shortcut::Widen => [g.conv3x3(&conv1, a, channels), g.conv1x1(&projection, a, channels)],
        Shortcut::Down => g.conv_down([&conv1, &projection], a, channels),
    };
    let y = g.norm_act(&format!("{name}.bn2"), y, activation);
    let y = g.conv3x3(&conv2, y, channels);
    g.add(&format!("{name}.add"), y, shortcut)
}

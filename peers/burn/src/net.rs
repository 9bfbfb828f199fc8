//! CIFAR ResNets as `core/src/nets/resnet.rs` declares them, in Burn's modules.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::prelude::*;
use burn::tensor::activation::relu;

use crate::files::Weights;

/// A convolution without bias, followed by batch norm.
#[derive(Module, Debug)]
pub struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
}

/// Two 3x3 convolutions and a shortcut, which is a 1x1 convolution where the shape changes.
#[derive(Module, Debug)]
pub struct Block {
    first: ConvNorm,
    second: ConvNorm,
    shortcut: Option<ConvNorm>,
}

/// A ResNet of 6n + 2 layers.
#[derive(Module, Debug)]
pub struct ResNet {
    first: ConvNorm,
    blocks: Vec<Block>,
    dense: Linear,
}

/// The shape of a [`ConvNorm`], and the names of its weights.
struct LayerConfig<'a> {
    conv: String,
    norm: String,
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
    weights: &'a Weights,
    device: &'a Device,
}

impl ConvNorm {
    fn new(config: &LayerConfig) -> Self {
        let LayerConfig { channels, kernel, stride, weights, device, .. } = *config;
        let pad = kernel / 2;
        let conv = Conv2dConfig::new(channels, [kernel; 2]).with_stride([stride; 2]).with_bias(false);
        let mut conv = conv.with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad)).init(device);
        conv.weight = Param::from_tensor(weights.tensor(&format!("{}.weight", config.conv), device));
        let mut norm = BatchNormConfig::new(channels[1]).init(device);
        norm.gamma = Param::from_tensor(weights.tensor(&format!("{}.weight", config.norm), device));
        norm.beta = Param::from_tensor(weights.tensor(&format!("{}.bias", config.norm), device));
        Self { conv, norm }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x))
    }

    /// Number of running statistics: mean and variance of each channel.
    fn running_values(&self) -> usize {
        2 * self.norm.gamma.shape().num_elements()
    }

    /// Operations of the forward pass on inputs of `side` by `side` pixels, and the side of its outputs.
    fn flops(&self, samples: u64, side: u64) -> (u64, u64) {
        let side = side / self.conv.stride[0] as u64;
        (2 * self.conv.weight.shape().num_elements() as u64 * samples * side * side, side)
    }
}

impl Block {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.second.forward(relu(self.first.forward(x.clone())));
        let shortcut = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        relu(y + shortcut)
    }
}

impl ResNet {
    /// ResNet-`depth` with the given weights, by torchvision's names.
    pub fn new(depth: usize, weights: &Weights, device: &Device) -> Self {
        let conv_norm = |conv: String, norm: String, channels, kernel, stride| {
            ConvNorm::new(&LayerConfig { conv, norm, channels, kernel, stride, weights, device })
        };
        let first = conv_norm("conv1".to_owned(), "bn1".to_owned(), [3, 16], 3, 1);
        let mut blocks = Vec::new();
        let mut inputs = 16;
        for stage in 0..3 {
            let outputs = 16 << stage;
            for block in 0..(depth - 2) / 6 {
                let at = format!("layer{}.{block}", stage + 1);
                let part = |conv: &str, norm: &str, channels, kernel, stride| {
                    conv_norm(format!("{at}.{conv}"), format!("{at}.{norm}"), channels, kernel, stride)
                };
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                blocks.push(Block {
                    first: part("conv1", "bn1", [inputs, outputs], 3, stride),
                    second: part("conv2", "bn2", [outputs; 2], 3, 1),
                    shortcut: (stride == 2).then(|| part("downsample.0", "downsample.1", [inputs, outputs], 1, stride)),
                });
                inputs = outputs;
            }
        }
        let mut dense = LinearConfig::new(inputs, 10).init(device);
        // Burn's layout is [in][out]. The transposed tensor passes through the host, because a parameter must not be the result of
        // an operation.
        let transposed = weights.tensor::<2>("fc.weight", device).transpose().into_data();
        dense.weight = Param::from_tensor(Tensor::from_data(transposed, device));
        dense.bias = Some(Param::from_tensor(weights.tensor("fc.bias", device)));
        Self { first, blocks, dense }
    }

    /// Logits `[N][class]` of images `[N][C][H][W]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu(self.first.forward(images));
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        let [samples, channels, _, _] = x.dims();
        self.dense.forward(x.mean_dim(3).mean_dim(2).reshape([samples, channels]))
    }

    /// Number of trained values. Burn counts running statistics among the parameters; this number leaves them out.
    pub fn trained_values(&self) -> usize {
        let of_block = |block: &Block| {
            let shortcut = block.shortcut.as_ref().map_or(0, ConvNorm::running_values);
            block.first.running_values() + block.second.running_values() + shortcut
        };
        let running = self.first.running_values() + self.blocks.iter().map(of_block).sum::<usize>();
        self.num_params() - running
    }

    /// Floating-point operations of the convolutions in a step on images of `side` by `side` pixels: forward, gradient by the
    /// weights, and gradient by the input for all but the first.
    pub fn convolution_flops(&self, samples: u64, side: u64) -> u64 {
        let (first, mut side) = self.first.flops(samples, side);
        let mut all = first;
        for block in &self.blocks {
            let (one, inner) = block.first.flops(samples, side);
            let (two, _) = block.second.flops(samples, inner);
            let shortcut = block.shortcut.as_ref().map_or(0, |shortcut| shortcut.flops(samples, side).0);
            all += one + two + shortcut;
            side = inner;
        }
        3 * all - first
    }
}

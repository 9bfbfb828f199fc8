//! A network as a list of operations on named tensors. Training lowers it to recordings (`train/plan.rs`).

use crate::ops::{Activation, Shape, conv_valid::ConvValid, cross_entropy::Loss, dense::Dense};
use crate::ops::{Conv, ConvDown, batch_norm::BatchNorm, max_pool::MaxPool};

/// A tensor of the graph: an index into [`Network::shapes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TensorId(pub usize);

/// Initial values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normally distributed with mean 0 and this standard deviation.
    Normal(f64),
    /// Uniformly distributed between minus and plus this bound.
    Uniform(f64),
    /// This value in every element.
    Constant(f32),
}

/// A learned tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Name, as in torchvision.
    pub name: String,
    /// Row-major dimensions.
    pub dims: Vec<u32>,
    /// Initial values.
    pub init: Init,
    /// Index of its first element in the parameter arena, a multiple of 64.
    pub offset: u32,
    /// True for convolution weights, over which a run's divergence is measured.
    pub convolution: bool,
}

impl Parameter {
    /// Number of elements.
    #[must_use]
    pub fn elements(&self) -> u32 {
        self.dims.iter().product()
    }
}

/// Running mean and running variance of one batch norm.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// Name of the batch norm, to which `.running_mean` and `.running_var` are appended.
    pub name: String,
    /// Number of channels C.
    pub channels: u32,
    /// Index of the mean's first element in the statistics arena, a multiple of 64.
    pub mean: u32,
    /// Index of the variance's first element, a multiple of 64.
    pub variance: u32,
}

/// What a node computes. Indices are into [`Network::parameters`] and [`Network::running`].
#[derive(Clone, Debug)]
pub enum Operation {
    /// 3x3 convolution with stride 1.
    Conv {
        /// Geometry.
        conv: Conv,
        /// Index of the weight.
        weight: usize,
    },
    /// 3x3 convolution with stride 2, whose output is the node's, together with the 1x1 projection shortcut of the same input.
    ConvDown {
        /// Geometry of both convolutions.
        conv: ConvDown,
        /// Index of the 3x3 convolution's weight.
        weight: usize,
        /// The 1x1 convolution; `None` only until [`GraphBuilder::conv1x1`] adds it.
        shortcut: Option<Projection>,
    },
    /// The one-layer network's convolution.
    ConvValid {
        /// Geometry.
        conv: ConvValid,
        /// Index of the kernel.
        weight: usize,
    },
    /// Batch norm, then the addition of a shortcut and the activation, where present.
    BatchNorm {
        /// Shape, and what is fused.
        norm: BatchNorm,
        /// Tensor that is added before the activation.
        shortcut: Option<TensorId>,
        /// Index of the scale; the shift is the next parameter.
        scale: usize,
        /// Index of the running statistics.
        running: usize,
    },
    /// A separate activation.
    Activation(Activation),
    /// 2x2 max pool.
    MaxPool(MaxPool),
    /// Global average pool: planes to features.
    GlobalAveragePool,
    /// Dense layer on features; the bias is the next parameter.
    Dense {
        /// Geometry.
        dense: Dense,
        /// Index of the weight.
        weight: usize,
    },
}

/// The 1x1 convolution of [`Operation::ConvDown`].
#[derive(Clone, Copy, Debug)]
pub struct Projection {
    /// Index of the weight.
    pub weight: usize,
    /// Output tensor.
    pub output: TensorId,
}

/// One operation with its input and output.
#[derive(Clone, Debug)]
pub struct Node {
    /// Layer name, for profiles and errors.
    pub name: String,
    /// What it computes.
    pub operation: Operation,
    /// Input tensor.
    pub input: TensorId,
    /// Output tensor.
    pub output: TensorId,
}

/// A whole network.
#[derive(Clone, Debug)]
pub struct Network {
    /// Name, such as `resnet56`, `vgg16` or `one-layer`.
    pub name: String,
    /// Operations in forward order.
    pub nodes: Vec<Node>,
    /// Shape of every tensor. Tensor 0 is the input; the output of the last node has the logits.
    pub shapes: Vec<Shape>,
    /// Learned tensors, in arena order.
    pub parameters: Vec<Parameter>,
    /// Running statistics of the batch norms.
    pub running: Vec<Running>,
    /// Number of floats in one replica's parameter arena, a multiple of 64.
    pub parameter_stride: u32,
    /// Number of floats in one replica's statistics arena, a multiple of 64.
    pub running_stride: u32,
    /// Loss of the logits.
    pub loss: Loss,
}

impl Network {
    /// Number of learned values.
    #[must_use]
    pub fn parameter_count(&self) -> u64 {
        self.parameters.iter().map(|p| u64::from(p.elements())).sum()
    }

    /// C, H, W of the input.
    #[must_use]
    pub fn input(&self) -> Shape {
        self.shapes[0]
    }

    /// The tensor of the logits.
    #[must_use]
    pub fn logits(&self) -> TensorId {
        TensorId(self.shapes.len() - 1)
    }
}

/// Tensors in an arena begin at multiples of 64 floats: 256 bytes, the alignment of a binding, and one block of the reductions.
const ALIGNMENT: u32 = 64;

/// Builds a [`Network`] operation by operation.
pub struct GraphBuilder {
    network: Network,
}

impl GraphBuilder {
    /// A graph with only its input. `loss` applies to the output of the last node.
    #[must_use]
    pub fn new(name: impl Into<String>, input: Shape, loss: Loss) -> Self {
        Self {
            network: Network {
                name: name.into(),
                nodes: Vec::new(),
                shapes: vec![input],
                parameters: Vec::new(),
                running: Vec::new(),
                parameter_stride: 0,
                running_stride: 0,
                loss,
            },
        }
    }

    /// The input tensor.
    #[must_use]
    pub fn input(&self) -> TensorId {
        TensorId(0)
    }

    fn shape(&self, tensor: TensorId) -> Shape {
        self.network.shapes[tensor.0]
    }

    fn parameter(&mut self, name: String, dims: Vec<u32>, init: Init, convolution: bool) -> usize {
        let offset = self.network.parameter_stride;
        let parameter = Parameter { name, dims, init, offset, convolution };
        self.network.parameter_stride = (offset + parameter.elements()).next_multiple_of(ALIGNMENT);
        self.network.parameters.push(parameter);
        self.network.parameters.len() - 1
    }

    fn node(&mut self, name: &str, operation: Operation, input: TensorId, shape: Shape) -> TensorId {
        self.network.shapes.push(shape);
        let output = TensorId(self.network.shapes.len() - 1);
        self.network.nodes.push(Node { name: name.to_owned(), operation, input, output });
        output
    }

    /// Adds the weight of a convolution without bias, initialised normal(0, sqrt(2 / (kh kw c_out))).
    fn kernel(&mut self, name: &str, [out_channels, in_channels, kernel]: [u32; 3]) -> usize {
        let init = Init::Normal((2.0 / f64::from(kernel * kernel * out_channels)).sqrt());
        self.parameter(format!("{name}.weight"), vec![out_channels, in_channels, kernel, kernel], init, true)
    }

    /// Adds a 3x3 convolution without bias, with padding 1 and stride 1 or 2. With stride 2, [`GraphBuilder::conv1x1`] of the
    /// same `x` must follow.
    pub fn conv3x3(&mut self, name: &str, x: TensorId, out_channels: u32, stride: u32) -> TensorId {
        let input = self.shape(x);
        let weight = self.kernel(name, [out_channels, input.channels, 3]);
        if stride == 1 {
            let conv = Conv { input, out_channels, shared_input: x == self.input() };
            self.node(name, Operation::Conv { conv, weight }, x, conv.output())
        } else {
            let conv = ConvDown { input, out_channels };
            self.node(name, Operation::ConvDown { conv, weight, shortcut: None }, x, conv.output())
        }
    }

    /// Adds a 1x1 convolution without bias, with stride 2: the projection shortcut of the 3x3 convolution of the same `x` with
    /// stride 2. One node computes both.
    ///
    /// # Panics
    /// If the 3x3 convolution was not added before.
    pub fn conv1x1(&mut self, name: &str, x: TensorId, out_channels: u32) -> TensorId {
        let weight = self.kernel(name, [out_channels, self.shape(x).channels, 1]);
        let output = TensorId(self.network.shapes.len());
        let beside = self.network.nodes.iter_mut().filter(|node| node.input == x).find_map(|node| {
            let Operation::ConvDown { conv, shortcut, .. } = &mut node.operation else { return None };
            (conv.out_channels == out_channels).then(|| {
                *shortcut = Some(Projection { weight, output });
                conv.output()
            })
        });
        self.network.shapes.push(beside.expect("a 3x3 convolution of the same input with stride 2"));
        output
    }

    /// Adds a valid convolution of the one-channel input with one kernel, initialised as other convolutions.
    pub fn conv_valid(&mut self, name: &str, x: TensorId, kernel: u32) -> TensorId {
        let conv = ConvValid { input: self.shape(x), kernel };
        let weight = self.kernel(name, [1, 1, kernel]);
        self.node(name, Operation::ConvValid { conv, weight }, x, conv.output())
    }

    /// Adds a batch norm.
    pub fn batch_norm(&mut self, name: &str, y: TensorId) -> TensorId {
        self.fused_norm(name, y, None, None)
    }

    /// Adds a batch norm and the activation after it.
    pub fn norm_act(&mut self, name: &str, y: TensorId, activation: Activation) -> TensorId {
        self.fused_norm(name, y, None, Some(activation))
    }

    /// Adds the end of a residual block: batch norm, then the shortcut's addition, then the activation.
    pub fn norm_add_act(&mut self, name: &str, y: TensorId, shortcut: TensorId, activation: Activation) -> TensorId {
        self.fused_norm(name, y, Some(shortcut), Some(activation))
    }

    fn fused_norm(
        &mut self,
        name: &str,
        y: TensorId,
        shortcut: Option<TensorId>,
        activation: Option<Activation>,
    ) -> TensorId {
        let shape = self.shape(y);
        let channels = shape.channels;
        let norm = BatchNorm { shape, activation, shortcut: shortcut.is_some() };
        let scale = self.parameter(format!("{name}.weight"), vec![channels], Init::Constant(1.0), false);
        self.parameter(format!("{name}.bias"), vec![channels], Init::Constant(0.0), false);
        let mean = self.network.running_stride;
        let variance = mean + channels.next_multiple_of(ALIGNMENT);
        self.network.running_stride = variance + channels.next_multiple_of(ALIGNMENT);
        self.network.running.push(Running { name: name.to_owned(), channels, mean, variance });
        let running = self.network.running.len() - 1;
        self.node(name, Operation::BatchNorm { norm, shortcut, scale, running }, y, shape)
    }

    /// Adds a separate activation.
    pub fn activation(&mut self, name: &str, x: TensorId, activation: Activation) -> TensorId {
        self.node(name, Operation::Activation(activation), x, self.shape(x))
    }

    /// Adds a 2x2 max pool with stride 2, for an input with even sides.
    pub fn max_pool(&mut self, name: &str, x: TensorId) -> TensorId {
        let pool = MaxPool { input: self.shape(x) };
        self.node(name, Operation::MaxPool(pool), x, pool.output())
    }

    /// Adds the mean over the pixels, which gives C features.
    pub fn global_average_pool(&mut self, x: TensorId) -> TensorId {
        let shape = Shape::new(self.shape(x).channels, 1, 1);
        self.node("avgpool", Operation::GlobalAveragePool, x, shape)
    }

    /// Adds a dense layer on features, initialised uniform(+-1/sqrt(fan_in)) for weight and bias.
    pub fn dense(&mut self, name: &str, x: TensorId, units: u32) -> TensorId {
        let inputs = self.shape(x).channels;
        let init = Init::Uniform(1.0 / f64::from(inputs).sqrt());
        let weight = self.parameter(format!("{name}.weight"), vec![units, inputs], init, false);
        self.parameter(format!("{name}.bias"), vec![units], init, false);
        let operation = Operation::Dense { dense: Dense { inputs, units }, weight };
        self.node(name, operation, x, Shape::new(units, 1, 1))
    }

    /// The finished network; its logits are the last node's output.
    #[must_use]
    pub fn finish(self) -> Network {
        self.network
    }
}

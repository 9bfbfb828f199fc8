//! A network as a list of operations on named tensors. Training lowers it to recordings (`train/lowering.rs`).

use super::Norm;
use crate::ops::{Activation, Shape, conv_valid::ConvValid, cross_entropy::Loss, dense::Dense, flatten::Flatten};
use crate::ops::{
    Conv, Conv1x1, ConvDown, batch_norm::BatchNorm, bias::Bias, group_norm::GroupNorm, max_pool::MaxPool,
};

/// A tensor of the graph: an index into [`Network::shapes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TensorId(pub usize);

/// A parameter of the graph: an index into [`Network::parameters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ParameterId(pub usize);

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
    /// True for a weight over which a run's divergence is measured: a convolution's, or in a network without convolutions each
    /// tensor of two or more dimensions.
    pub measured: bool,
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

/// What a node computes. Each variant names the node's inputs, outputs and parameters in the order of the node's lists.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    /// 3x3 convolution with stride 1. Input x, output y, parameter weight.
    Conv(Conv),
    /// 1x1 convolution with stride 1. Input x, output y, parameter weight.
    Conv1x1(Conv1x1),
    /// 3x3 convolution with stride 2, together with the 1x1 projection shortcut of the same input. Input x; outputs y of the 3x3 and
    /// s of the 1x1 convolution; parameters are their weights.
    ConvDown(ConvDown),
    /// The one-layer network's convolution. Input x, output y, parameter weight.
    ConvValid(ConvValid),
    /// Batch norm, then the addition of a shortcut and the activation, where present. Inputs y and the shortcut, output a,
    /// parameters scale and shift.
    BatchNorm {
        /// Shape, and what is fused.
        norm: BatchNorm,
        /// Index of the running statistics in [`Network::running`].
        running: usize,
    },
    /// Group norm, then the addition of a shortcut and the activation, where present. Inputs y and the shortcut, output a,
    /// parameters scale and shift.
    GroupNorm(GroupNorm),
    /// A bias for each channel in place of a norm, then the addition of a shortcut and the activation, where present. Inputs y and the
    /// shortcut, output a, parameter bias.
    Bias(Bias),
    /// Elementwise sum. Inputs a and b of one shape, output a + b.
    Add,
    /// Planes as features. Input planes, output features.
    Flatten(Flatten),
    /// A separate activation, of planes or of features. Input x, output a.
    Activation(Activation),
    /// A ReLU that is switched for all replicas as it is for the first one ([`Network::gated`]). Input x, output a.
    Gate,
    /// 2x2 max pool. Input x, output y.
    MaxPool(MaxPool),
    /// Mean over the pixels. Input planes, output features.
    GlobalAveragePool,
    /// Dense layer. Input features, output features, parameters weight and bias.
    Dense(Dense),
}

impl Operation {
    /// Whether it reads an input that all replicas share. Any other operation needs a copy of it for each replica.
    #[must_use]
    pub fn reads_shared(&self) -> bool {
        match self {
            Self::Conv(conv) => conv.shared_input,
            Self::ConvValid(_) => true,
            Self::Flatten(flatten) => flatten.shared_input,
            Self::Dense(dense) => dense.shared_input,
            _ => false,
        }
    }
}

/// One operation with its tensors and parameters.
#[derive(Clone, Debug)]
pub struct Node {
    /// Layer name, for profiles and errors.
    pub name: String,
    /// What it computes.
    pub operation: Operation,
    /// Tensors that it reads.
    pub inputs: Vec<TensorId>,
    /// Tensors that it writes.
    pub outputs: Vec<TensorId>,
    /// Parameters that it learns.
    pub parameters: Vec<ParameterId>,
}

impl Node {
    /// The first input.
    #[must_use]
    pub fn input(&self) -> TensorId {
        self.inputs[0]
    }

    /// The shortcut of a batch norm that adds one.
    #[must_use]
    pub fn shortcut(&self) -> Option<TensorId> {
        self.inputs.get(1).copied()
    }

    /// The first output.
    #[must_use]
    pub fn output(&self) -> TensorId {
        self.outputs[0]
    }

    /// The first parameter: a weight, a scale, or the bias that replaces a norm.
    #[must_use]
    pub fn weight(&self) -> ParameterId {
        self.parameters[0]
    }

    /// The second parameter of a dense layer or of a batch norm: bias or shift.
    #[must_use]
    pub fn bias(&self) -> ParameterId {
        self.parameters[1]
    }

    /// Multiply-adds of one sample's forward pass, counted for convolutions and dense layers.
    #[must_use]
    pub fn multiply_adds(&self) -> u64 {
        match self.operation {
            Operation::Conv(conv) => conv.output().elements() * u64::from(conv.input.channels * 9),
            Operation::Conv1x1(conv) => conv.output().elements() * u64::from(conv.input.channels),
            Operation::ConvDown(conv) => conv.output().elements() * u64::from(conv.input.channels * (9 + 1)),
            Operation::ConvValid(conv) => conv.output().elements() * u64::from(conv.kernel * conv.kernel),
            Operation::Dense(dense) => u64::from(dense.inputs) * u64::from(dense.units),
            _ => 0,
        }
    }
}

/// A whole network.
#[derive(Clone, Debug)]
pub struct Network {
    /// Name, such as `resnet56`, `vgg16` or `one-layer`.
    pub name: String,
    /// Operations in forward order.
    pub nodes: Vec<Node>,
    /// Shape of every tensor; tensor 0 is the batch, the last node's output the logits.
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

    /// Offset in the arena of the one weight whose bits are recorded beside the fingerprints: the first one that is measured.
    #[must_use]
    pub fn traced_weight(&self) -> u32 {
        self.parameters.iter().find(|parameter| parameter.measured).map_or(0, |parameter| parameter.offset)
    }

    /// C, H, W of the input.
    #[must_use]
    pub fn input(&self) -> Shape {
        self.shapes[0]
    }

    /// The node that computes a tensor; `None` for the batch.
    #[must_use]
    pub fn producer(&self, tensor: TensorId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.outputs.contains(&tensor))
    }

    /// Whether a parameter comes before a tensor, so that the backward pass needs the gradient with respect to it.
    #[must_use]
    pub fn needs_gradient(&self, tensor: TensorId) -> bool {
        self.producer(tensor).is_some_and(|node| {
            !node.parameters.is_empty() || node.inputs.iter().any(|input| self.needs_gradient(*input))
        })
    }

    /// The tensor of the logits.
    #[must_use]
    pub fn logits(&self) -> TensorId {
        self.nodes.last().map_or(TensorId(0), Node::output)
    }

    /// Number of logits of a sample: of classes, or 1 where two classes share one.
    #[must_use]
    pub fn logits_per_sample(&self) -> u32 {
        self.shapes[self.logits().0].channels
    }
}

/// Tensors in an arena begin at multiples of 64 floats: 256 bytes, the alignment of a binding, and one block of the reductions.
const ALIGNMENT: u32 = 64;

/// Builds a [`Network`] operation by operation.
///
/// All methods panic if the network cannot be trained as declared: a tensor does not exist in it or its shape does not fit, a name
/// occurs twice, or nothing reads an output. The message names the network and the layer.
pub struct GraphBuilder {
    network: Network,
    norm: Norm,
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
            norm: Norm::Batch,
        }
    }

    /// The same graph, whose norms from now on are of this kind.
    #[must_use]
    pub fn with_norm(self, norm: Norm) -> Self {
        Self { norm, ..self }
    }

    /// The input tensor.
    #[must_use]
    pub fn input(&self) -> TensorId {
        TensorId(0)
    }

    /// Panics unless what layer `name` needs `holds`.
    fn require(&self, name: &str, holds: bool, needed: &str) {
        assert!(holds, "{}: {name} needs {needed}", self.network.name);
    }

    fn shape(&self, name: &str, tensor: TensorId) -> Shape {
        self.require(name, tensor.0 < self.network.shapes.len(), "an input that is in this graph");
        self.network.shapes[tensor.0]
    }

    /// True for features `[N][C]`, false for planes.
    fn is_features(&self, tensor: TensorId) -> bool {
        self.network.producer(tensor).is_some_and(|node| match node.operation {
            Operation::GlobalAveragePool | Operation::Flatten(_) | Operation::Dense(_) => true,
            Operation::Add | Operation::Activation(_) | Operation::Gate => self.is_features(node.input()),
            _ => false,
        })
    }

    /// True for what all replicas share: the batch, also flattened.
    fn is_shared(&self, tensor: TensorId) -> bool {
        self.network
            .producer(tensor)
            .is_none_or(|node| matches!(node.operation, Operation::Flatten(f) if f.shared_input))
    }

    /// The shape of an input of layer `name` that must be planes.
    fn planes(&self, name: &str, x: TensorId) -> Shape {
        let shape = self.shape(name, x);
        self.require(name, !self.is_features(x), "planes, not features");
        shape
    }

    /// Appends a parameter to the arena.
    fn parameter(&mut self, name: String, dims: Vec<u32>, init: Init) -> ParameterId {
        self.require(&name, self.network.parameters.iter().all(|p| p.name != name), "a name of its own");
        self.require(&name, dims.iter().all(|side| *side > 0), "dimensions above zero");
        self.network.parameters.push(Parameter { name, dims, init, offset: 0, measured: false });
        ParameterId(self.network.parameters.len() - 1)
    }

    /// Appends a node that writes tensors of `shape`.
    fn node<const N: usize>(
        &mut self,
        name: &str,
        operation: Operation,
        inputs: &[TensorId],
        parameters: &[ParameterId],
        shape: Shape,
    ) -> [TensorId; N] {
        self.require(name, self.network.nodes.iter().all(|node| node.name != name), "a name of its own");
        let first = self.network.shapes.len();
        self.network.shapes.extend([shape; N]);
        let outputs: [TensorId; N] = std::array::from_fn(|i| TensorId(first + i));
        self.network.nodes.push(Node {
            name: name.to_owned(),
            operation,
            inputs: inputs.to_vec(),
            outputs: outputs.to_vec(),
            parameters: parameters.to_vec(),
        });
        outputs
    }

    /// The weight of a convolution without bias, initialised normal(0, sqrt(2 / (kh kw c_out))).
    fn kernel(&mut self, name: &str, [out_channels, in_channels, kernel]: [u32; 3]) -> ParameterId {
        let init = Init::Normal((2.0 / f64::from(kernel * kernel * out_channels)).sqrt());
        self.parameter(format!("{name}.weight"), vec![out_channels, in_channels, kernel, kernel], init)
    }

    /// In a network without norms, scales the initial weights of `conv1` and `conv2` of the residual block `name` by 1 / sqrt(`blocks`).
    /// The sum over `blocks` branches would otherwise grow exponentially (De & Smith 2020, Hayou et al. 2021).
    pub fn scale_branch(&mut self, name: &str, blocks: u32) {
        if self.norm != Norm::None {
            return;
        }
        for name in ["conv1", "conv2"].map(|conv| format!("{name}.{conv}.weight")) {
            let parameter = self.network.parameters.iter_mut().find(|parameter| parameter.name == name);
            if let Some(Parameter { init: Init::Normal(deviation), .. }) = parameter {
                *deviation /= f64::from(blocks).sqrt();
            }
        }
    }

    /// Adds a 3x3 convolution with stride 1 and padding 1, without bias.
    pub fn conv3x3(&mut self, name: &str, x: TensorId, out_channels: u32) -> TensorId {
        let input = self.planes(name, x);
        let weight = self.kernel(name, [out_channels, input.channels, 3]);
        let conv = Conv { input, out_channels, shared_input: x == self.input() };
        let [y] = self.node(name, Operation::Conv(conv), &[x], &[weight], conv.output());
        y
    }

    /// Adds a 1x1 convolution with stride 1, without bias.
    pub fn conv1x1(&mut self, name: &str, x: TensorId, out_channels: u32) -> TensorId {
        let input = self.planes(name, x);
        let weight = self.kernel(name, [out_channels, input.channels, 1]);
        let conv = Conv1x1 { input, out_channels };
        let [y] = self.node(name, Operation::Conv1x1(conv), &[x], &[weight], conv.output());
        y
    }

    /// Adds a 3x3 convolution with stride 2 and padding 1 together with the 1x1 projection shortcut of the same `x`, both without
    /// bias. Returns the output of each.
    pub fn conv_down(&mut self, [name, shortcut]: [&str; 2], x: TensorId, out_channels: u32) -> [TensorId; 2] {
        let input = self.planes(name, x);
        let weights =
            [(name, 3), (shortcut, 1)].map(|(name, side)| self.kernel(name, [out_channels, input.channels, side]));
        let conv = ConvDown { input, out_channels };
        self.node(name, Operation::ConvDown(conv), &[x], &weights, conv.output())
    }

    /// Adds a valid convolution of the one-channel input with one kernel, initialised as other convolutions.
    pub fn conv_valid(&mut self, name: &str, x: TensorId, kernel: u32) -> TensorId {
        let input = self.shape(name, x);
        self.require(name, x == self.input() && input.channels == 1, "the batch of one-channel images as its input");
        self.require(name, kernel <= input.height.min(input.width), "images at least as large as its kernel");
        let conv = ConvValid { input, kernel };
        let weight = self.kernel(name, [1, 1, kernel]);
        let [y] = self.node(name, Operation::ConvValid(conv), &[x], &[weight], conv.output());
        y
    }

    /// Adds a norm: a batch norm, or what [`GraphBuilder::with_norm`] puts in its place.
    pub fn norm(&mut self, name: &str, y: TensorId) -> TensorId {
        self.fused_norm(name, y, None, None)
    }

    /// Adds a norm and the activation after it.
    pub fn norm_act(&mut self, name: &str, y: TensorId, activation: Activation) -> TensorId {
        self.fused_norm(name, y, None, Some(activation))
    }

    /// Adds the end of a residual block: norm, then the shortcut's addition, then the activation.
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
        let shape = self.planes(name, y);
        if let Some(shortcut) = shortcut {
            self.require(name, self.planes(name, shortcut) == shape, "a shortcut of its input's shape");
        }
        let channels = shape.channels;
        let inputs: Vec<TensorId> = std::iter::once(y).chain(shortcut).collect();
        if self.norm == Norm::None {
            let bias = self.parameter(format!("{name}.bias"), vec![channels], Init::Constant(0.0));
            let operation = Operation::Bias(Bias { shape, activation, shortcut: shortcut.is_some() });
            let [a] = self.node(name, operation, &inputs, &[bias], shape);
            return a;
        }
        let norm = BatchNorm { shape, activation, shortcut: shortcut.is_some() };
        let scale = self.parameter(format!("{name}.weight"), vec![channels], Init::Constant(1.0));
        let shift = self.parameter(format!("{name}.bias"), vec![channels], Init::Constant(0.0));
        if self.norm == Norm::Group {
            let operation = Operation::GroupNorm(GroupNorm { shape, activation, shortcut: shortcut.is_some() });
            let [a] = self.node(name, operation, &inputs, &[scale, shift], shape);
            return a;
        }
        let mean = self.network.running_stride;
        let variance = mean + channels.next_multiple_of(ALIGNMENT);
        self.network.running_stride = variance + channels.next_multiple_of(ALIGNMENT);
        self.network.running.push(Running { name: name.to_owned(), channels, mean, variance });
        let running = self.network.running.len() - 1;
        let [a] = self.node(name, Operation::BatchNorm { norm, running }, &inputs, &[scale, shift], shape);
        a
    }

    /// Adds the elementwise sum of two tensors of one shape.
    pub fn add(&mut self, name: &str, a: TensorId, b: TensorId) -> TensorId {
        let [of_a, of_b] = [a, b].map(|tensor| (self.shape(name, tensor), self.is_features(tensor)));
        self.require(name, of_a == of_b, "two inputs of one shape");
        let [sum] = self.node(name, Operation::Add, &[a, b], &[], of_a.0);
        sum
    }

    /// Adds a separate activation, of planes or of features.
    pub fn activation(&mut self, name: &str, x: TensorId, activation: Activation) -> TensorId {
        let [a] = self.node(name, Operation::Activation(activation), &[x], &[], self.shape(name, x));
        a
    }

    /// Adds a 2x2 max pool with stride 2, for an input with even sides.
    pub fn max_pool(&mut self, name: &str, x: TensorId) -> TensorId {
        let input = self.planes(name, x);
        self.require(name, input.height.is_multiple_of(2) && input.width.is_multiple_of(2), "an input with even sides");
        let pool = MaxPool { input };
        let [y] = self.node(name, Operation::MaxPool(pool), &[x], &[], pool.output());
        y
    }

    /// Adds the mean over the pixels, which gives C features.
    pub fn global_average_pool(&mut self, x: TensorId) -> TensorId {
        let name = "avgpool";
        let shape = Shape::new(self.planes(name, x).channels, 1, 1);
        let [features] = self.node(name, Operation::GlobalAveragePool, &[x], &[], shape);
        features
    }

    /// Adds planes as features, in the order of PyTorch's `flatten`.
    pub fn flatten(&mut self, name: &str, x: TensorId) -> TensorId {
        let flatten = Flatten { input: self.planes(name, x), shared_input: self.is_shared(x) };
        let [features] = self.node(name, Operation::Flatten(flatten), &[x], &[], flatten.output());
        features
    }

    /// Adds a dense layer on features, initialised uniform(+-1/sqrt(fan_in)) for weight and bias.
    pub fn dense(&mut self, name: &str, x: TensorId, units: u32) -> TensorId {
        let inputs = self.shape(name, x).channels;
        self.require(name, self.is_features(x), "features, not planes");
        let init = Init::Uniform(1.0 / f64::from(inputs).sqrt());
        let weight = self.parameter(format!("{name}.weight"), vec![units, inputs], init);
        let bias = self.parameter(format!("{name}.bias"), vec![units], init);
        let operation = Operation::Dense(Dense { inputs, units, shared_input: self.is_shared(x) });
        let [y] = self.node(name, operation, &[x], &[weight, bias], Shape::new(units, 1, 1));
        y
    }

    /// Moves the parameter `name` in the arena to right after `predecessor`, which was declared later. The position of a parameter
    /// decides its initial values and enters the fingerprint.
    ///
    /// # Panics
    /// If one of the parameters is not declared, or `predecessor` comes first.
    pub fn move_after(&mut self, name: &str, predecessor: &str) {
        let position = |wanted: &str| self.network.parameters.iter().position(|p| p.name == wanted);
        let (Some(from), Some(to)) = (position(name), position(predecessor)) else {
            panic!("{name} or {predecessor} is not declared")
        };
        self.network.parameters[from..=to].rotate_left(1);
        for ParameterId(id) in self.network.nodes.iter_mut().flat_map(|node| &mut node.parameters) {
            if *id == from {
                *id = to;
            } else if (from..=to).contains(id) {
                *id -= 1;
            }
        }
    }

    /// The finished network; its logits are the last node's output.
    #[must_use]
    pub fn finish(mut self) -> Network {
        let logits = self.network.logits();
        self.require("the last layer", self.is_features(logits), "to compute features, the logits");
        let is_binary = self.network.loss == Loss::SigmoidBinaryCrossEntropy;
        self.require("the loss", !is_binary || self.network.shapes[logits.0].channels == 1, "one logit");
        for node in &self.network.nodes {
            let is_read = |tensor: &TensorId| {
                *tensor == logits || self.network.nodes.iter().any(|reader| reader.inputs.contains(tensor))
            };
            self.require(&node.name, node.outputs.iter().all(is_read), "a layer that reads its output");
        }
        let parameters = &mut self.network.parameters;
        let is_convolution = |parameter: &Parameter| parameter.dims.len() == 4;
        let has_convolutions = parameters.iter().any(is_convolution);
        for parameter in parameters {
            parameter.measured = if has_convolutions { is_convolution(parameter) } else { parameter.dims.len() >= 2 };
            parameter.offset = self.network.parameter_stride;
            self.network.parameter_stride = (parameter.offset + parameter.elements()).next_multiple_of(ALIGNMENT);
        }
        self.network
    }
}

#[cfg(test)]
mod tests;

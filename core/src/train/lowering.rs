//! Lowers a network to launches: the forward pass in the order of its nodes, the backward pass in reverse.

use std::collections::HashMap;

use super::liveness::{Liveness, backward_reads};
use super::memory::{self, PlanePool, Planes};
use crate::nets::{self, Network, Node, Operation, ParameterId, TensorId, Tensors};
use crate::ops::{
    Pass, Shape, Tiles, activation, add, batch_norm, bias, conv_down, cross_entropy, gate, group_norm, pool,
};
use crate::record::{Binding, BufferId, Command, Recording};

/// Buffers that the passes of one chunk of replicas use, besides scratch.
#[derive(Clone, Copy, Debug)]
pub struct Arenas {
    /// Parameters of each replica, `[replica][parameter]`, tensors padded to 64 floats.
    pub parameters: BufferId,
    /// Gradients, laid out as the parameters.
    pub gradients: BufferId,
    /// Running means and variances of each replica, tensors padded to 64 floats.
    pub running: BufferId,
    /// Convolution weights of each replica in the kernels' layout.
    pub packed: BufferId,
    /// Planes of the batch, `[N][C]`, shared by all replicas.
    pub x: Binding,
    /// Label of each sample, `[N]` u32.
    pub labels: Binding,
    /// Sum of losses and number of correct answers, `[R][2]` f32.
    pub totals: Binding,
}

/// Byte offsets of a convolution's packed weights in the arena of one replica.
#[derive(Clone, Copy, Debug, Default)]
pub struct PackedAt {
    /// Weights for the forward pass.
    pub forward: u64,
    /// Weights for the input gradient; 0 for a convolution of the batch, which has none.
    pub dinput: u64,
}

/// Where a tensor's values are.
#[derive(Clone, Copy)]
pub enum Location {
    /// Planes from the pool.
    Planes(Planes),
    /// The batch: planes outside the pool.
    Batch(Binding),
    /// Features `[R][N][C]`.
    Features(Binding),
    /// Features `[N][C]` that all replicas share: the flattened batch.
    SharedFeatures(Binding),
}

impl Location {
    /// The memory that holds the values.
    pub fn binding(self) -> Binding {
        match self {
            Self::Planes(planes) => planes.binding,
            Self::Batch(binding) | Self::Features(binding) | Self::SharedFeatures(binding) => binding,
        }
    }
}

/// What a forward pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassKind {
    /// A training step: the batch's own statistics, and a backward pass follows.
    Training,
    /// Statistics of batch norms: the batch's own, and nothing follows.
    Statistics,
    /// An evaluation: running statistics, and nothing follows.
    Evaluation,
}

/// Name of the buffer with the output of a node that computes vectors.
fn output_name(node: &str) -> String {
    format!("output of {node}")
}

/// Appends the passes of `network` to a recording.
pub struct Lowering<'a> {
    pub network: &'a Network,
    pub arenas: Arenas,
    pub packed_at: &'a HashMap<ParameterId, PackedAt>,
    pub tiles: &'a Tiles,
    pub pool: PlanePool<'a>,
    pub rec: &'a mut Recording,
    pub pass: PassKind,
    pub liveness: Liveness,
    /// Copies for each replica of tensors that all replicas share.
    pub copies: HashMap<TensorId, Location>,
}

impl Lowering<'_> {
    fn parameter(&self, id: ParameterId) -> Binding {
        memory::from(self.arenas.parameters, self.offset(id) * 4)
    }

    fn gradient(&self, id: ParameterId) -> Binding {
        memory::from(self.arenas.gradients, self.offset(id) * 4)
    }

    /// First element of a parameter in the arena.
    fn offset(&self, id: ParameterId) -> u64 {
        u64::from(self.network.parameters[id.0].offset)
    }

    /// Elements in the arena from the first parameter of a node to the second.
    fn weight_to_bias(&self, node: &Node) -> u32 {
        (self.offset(node.bias()) - self.offset(node.weight())) as u32
    }

    fn per_replica(&mut self, name: &str, bytes: u64) -> Binding {
        let bytes = bytes * u64::from(self.rec.replicas);
        self.pool.memory().scratch(name, bytes)
    }

    fn vector(&mut self, name: &str, shape: Shape) -> Binding {
        let samples = u64::from(self.rec.job.samples);
        self.per_replica(name, samples * u64::from(shape.channels) * 4)
    }

    fn coefficients(&mut self, node: &Node, shape: Shape) -> Binding {
        let is_per_sample = matches!(node.operation, Operation::GroupNorm(_));
        let samples = if is_per_sample { u64::from(self.rec.job.samples) } else { 1 };
        self.per_replica(&format!("coefficients {}", node.name), samples * u64::from(shape.channels) * 16)
    }

    /// The packed weights of a convolution for the forward pass.
    fn packed_forward(&self, weight: ParameterId) -> Binding {
        memory::from(self.arenas.packed, self.packed_at[&weight].forward)
    }

    /// The packed weights of a convolution for the input gradient.
    fn packed_dinput(&self, weight: ParameterId) -> Binding {
        memory::from(self.arenas.packed, self.packed_at[&weight].dinput)
    }

    /// Records the forward pass and the loss.
    pub fn forward_pass(&mut self) -> Tensors<Location> {
        let network = self.network;
        let values = network.forward(self, Location::Batch(self.arenas.x));
        let logits = network.logits();
        let classes = network.shapes[logits.0].channels;
        let samples = u64::from(self.rec.job.samples);
        let bindings = cross_entropy::Bindings {
            logits: values.at(logits).binding(),
            labels: self.arenas.labels,
            dlogits: self.dlogits(),
            scores: self.per_replica("scores", samples * 8),
            totals: self.arenas.totals,
        };
        cross_entropy::forward(self.rec, network.loss, classes, bindings);
        values
    }

    /// Records the backward pass, which writes the gradient of every parameter to the gradient arena.
    pub fn backward_pass(&mut self, values: Tensors<Location>) {
        let dlogits = Location::Features(self.dlogits());
        self.network.backward(self, values, dlogits);
    }

    /// The gradient with respect to the logits.
    fn dlogits(&mut self) -> Binding {
        self.vector("gradient of the logits", self.network.shapes[self.network.logits().0])
    }

    /// The output of a norm, or of the bias in its place, from its input and its coefficients.
    fn norm_output(&mut self, node: &Node, values: &Tensors<Location>) -> Location {
        let shape = self.network.shapes[node.output().0];
        let coefficients = self.coefficients(node, shape);
        let x = self.input(node, 0, values);
        let shortcut = node.shortcut().map_or(x, |_| self.input(node, 1, values));
        let a = self.pool.take(shape);
        match &node.operation {
            Operation::BatchNorm { norm, .. } => {
                norm.apply(self.rec, &node.name, x, coefficients, shortcut, a.binding);
            }
            Operation::GroupNorm(norm) => {
                norm.apply(self.rec, &node.name, [x, coefficients, shortcut, a.binding]);
            }
            Operation::Bias(bias) => {
                bias.norm().apply(self.rec, &node.name, x, coefficients, shortcut, a.binding);
            }
            other => unreachable!("{}: {other:?}", node.name),
        }
        Location::Planes(a)
    }

    /// Recomputes a tensor that the forward pass did not keep.
    fn restore(&mut self, tensor: TensorId, values: &mut Tensors<Location>) {
        let network = self.network;
        if let (None, Some(producer)) = (values.get(tensor), self.liveness.producer(tensor)) {
            let node = &network.nodes[producer];
            node.inputs.iter().for_each(|input| self.restore(*input, values));
            let output = self.norm_output(node, values);
            values.set(tensor, output);
        }
    }

    /// Where a node reads its input number `i`.
    fn input(&mut self, node: &Node, i: usize, values: &Tensors<Location>) -> Binding {
        let tensor = node.inputs[i];
        if node.operation.reads_shared() { values.at(tensor).binding() } else { self.own(tensor, values).binding() }
    }

    /// A tensor's values for each replica. What all replicas share is copied once for each of them.
    fn own(&mut self, tensor: TensorId, values: &Tensors<Location>) -> Location {
        let shape = self.network.shapes[tensor.0];
        let location = *values.at(tensor);
        let floats = match location {
            Location::Batch(_) => shape.channels * shape.plane() * 4,
            Location::SharedFeatures(_) => shape.channels,
            Location::Planes(_) | Location::Features(_) => return location,
        };
        if let Some(copies) = self.copies.get(&tensor) {
            return *copies;
        }
        let copies = match location {
            Location::SharedFeatures(_) => {
                Location::Features(self.vector(&format!("copies of tensor {}", tensor.0), shape))
            }
            _ => Location::Planes(self.pool.take(shape)),
        };
        let bytes = u64::from(self.rec.job.samples) * u64::from(floats) * 4;
        let (from, to) = (location.binding(), copies.binding());
        self.rec.commands.extend((0..u64::from(self.rec.replicas)).map(|replica| Command::Copy {
            from: (from.buffer, from.offset),
            to: (to.buffer, to.offset + replica * bytes),
            bytes,
        }));
        self.copies.insert(tensor, copies);
        copies
    }

    /// Memory of `tensor`'s shape like `model`, vectors under `name`, and the number of floats of a replica in it.
    fn like(&mut self, name: &str, tensor: TensorId, model: Location) -> (Location, u64) {
        let shape = self.network.shapes[tensor.0];
        let samples = u64::from(self.rec.job.samples);
        let (location, floats) = match model {
            Location::Features(_) => (Location::Features(self.vector(name, shape)), shape.channels),
            _ => (Location::Planes(self.pool.take(shape)), shape.channels * shape.plane() * 4),
        };
        (location, samples * u64::from(floats))
    }

    /// Records the sum of two locations of `tensor`'s shape.
    fn sum(&mut self, label: &str, tensor: TensorId, terms: [Location; 2]) -> Location {
        let (sum, floats) = self.like(&format!("sum at {label}"), tensor, terms[0]);
        let [a, b] = terms.map(Location::binding);
        add::add(self.rec, label, floats, [a, b, sum.binding()]);
        sum
    }

    /// Records `x` where the first replica's `gate` is above 0. `tensor` has the shape of all three.
    fn gated(&mut self, (label, name): (&str, &str), tensor: TensorId, [gate, x]: [Location; 2]) -> Location {
        let (out, floats) = self.like(name, tensor, x);
        gate::gate(self.rec, label, floats, [gate, x, out].map(Location::binding));
        out
    }

    /// Records a copy of a location of `shape`.
    fn copy(&mut self, label: &str, location: Location, shape: Shape) -> Location {
        let (copy, bytes) = match location {
            Location::Features(_) => {
                let samples = u64::from(self.rec.replicas) * u64::from(self.rec.job.samples);
                let bytes = samples * u64::from(shape.channels) * 4;
                (Location::Features(self.vector(&format!("copy at {label}"), shape)), bytes)
            }
            _ => (Location::Planes(self.pool.take(shape)), self.pool.bytes(shape)),
        };
        let [from, to] = [location, copy].map(|location| (location.binding().buffer, location.binding().offset));
        self.rec.commands.push(Command::Copy { from, to, bytes });
        copy
    }

    fn release(&mut self, location: Location) {
        if let Location::Planes(planes) = location {
            self.pool.give(planes);
        }
    }

    fn release_all(&mut self, tensors: Vec<TensorId>, values: &mut Tensors<Location>) {
        for location in tensors.into_iter().filter_map(|tensor| values.take(tensor)) {
            self.release(location);
        }
    }
}

impl nets::Forward for Lowering<'_> {
    type Value = Location;

    fn forward(&mut self, node: &Node, values: &Tensors<Location>) -> Vec<Location> {
        let shape = self.network.shapes[node.output().0];
        let samples = u64::from(self.rec.job.samples);
        let x = self.input(node, 0, values);
        let label = node.name.as_str();
        let output = match &node.operation {
            Operation::Conv(conv) => {
                let y = self.pool.take(shape);
                let packed = self.packed_forward(node.weight());
                let tile = self.tiles.of(*conv, Pass::Forward);
                conv.forward(self.rec, label, tile, [x, packed, y.binding]);
                Location::Planes(y)
            }
            Operation::Conv1x1(conv) => {
                let y = self.pool.take(shape);
                let packed = self.packed_forward(node.weight());
                conv.forward(self.rec, label, self.tiles.of_untuned(), [x, packed, y.binding]);
                Location::Planes(y)
            }
            Operation::ConvDown(conv) => {
                let [y, s] = [self.pool.take(shape), self.pool.take(shape)];
                let packed = [0, 1].map(|i| self.packed_forward(node.parameters[i]));
                let tile = self.tiles.of(*conv, Pass::Forward);
                conv.forward(self.rec, label, tile, x, packed, [y.binding, s.binding]);
                return vec![Location::Planes(y), Location::Planes(s)];
            }
            Operation::ConvValid(conv) => {
                let y = self.pool.take(shape);
                let weight = self.parameter(node.weight());
                conv.forward(self.rec, label, self.tiles.of_untuned(), [x, weight, y.binding]);
                Location::Planes(y)
            }
            Operation::BatchNorm { norm, running } => {
                let running = &self.network.running[*running];
                let channels = batch_norm::ChannelBindings {
                    scale: self.parameter(node.weight()),
                    shift: self.parameter(node.bias()),
                    running: memory::from(self.arenas.running, u64::from(running.mean) * 4),
                    mean_to_variance: running.variance - running.mean,
                };
                let coefficients = self.coefficients(node, shape);
                if self.pass != PassKind::Evaluation {
                    let leaves = self.per_replica("leaves", norm.leaves(self.rec.job.samples) * 8);
                    norm.statistics(self.rec, label, x, leaves, channels, coefficients);
                } else {
                    norm.running(self.rec, label, channels, coefficients);
                }
                self.norm_output(node, values)
            }
            Operation::GroupNorm(norm) => {
                let coefficients = self.coefficients(node, shape);
                let [scale, shift] = [node.weight(), node.bias()].map(|id| self.parameter(id));
                norm.statistics(self.rec, label, [x, scale, shift, coefficients]);
                self.norm_output(node, values)
            }
            Operation::Bias(bias) => {
                let coefficients = self.coefficients(node, shape);
                bias.coefficients(self.rec, label, self.parameter(node.weight()), coefficients);
                self.norm_output(node, values)
            }
            Operation::Add => {
                let terms = [0, 1].map(|i| self.own(node.inputs[i], values));
                self.sum(label, node.output(), terms)
            }
            Operation::Activation(activation) => match self.own(node.input(), values) {
                Location::Features(z) => {
                    let a = self.vector(&output_name(label), shape);
                    activation::forward_features(self.rec, label, samples * shape.elements(), *activation, z, a);
                    Location::Features(a)
                }
                _ => {
                    let a = self.pool.take(shape);
                    activation::forward(self.rec, label, shape, *activation, x, a.binding);
                    Location::Planes(a)
                }
            },
            Operation::Flatten(flatten) => {
                if flatten.shared_input {
                    let bytes = samples * shape.elements() * 4;
                    let features = self.pool.memory().scratch(&output_name(label), bytes);
                    flatten.forward(self.rec, label, x, features);
                    return vec![Location::SharedFeatures(features)];
                }
                let features = self.vector(&output_name(label), shape);
                flatten.forward(self.rec, label, x, features);
                Location::Features(features)
            }
            Operation::Gate => {
                let x = self.own(node.input(), values);
                self.gated((label, &output_name(label)), node.output(), [x, x])
            }
            Operation::MaxPool(pool) => {
                let y = self.pool.take(shape);
                pool.forward(self.rec, label, x, y.binding);
                Location::Planes(y)
            }
            Operation::GlobalAveragePool => {
                let features = self.vector(&output_name(label), shape);
                pool::forward(self.rec, label, self.network.shapes[node.input().0], x, features);
                Location::Features(features)
            }
            Operation::Dense(dense) => {
                let logits = self.vector(&output_name(label), shape);
                let bindings = [x, self.parameter(node.weight()), self.parameter(node.bias()), logits];
                dense.forward(self.rec, label, bindings);
                Location::Features(logits)
            }
        };
        vec![output]
    }

    fn after_forward(&mut self, index: usize, values: &mut Tensors<Location>) {
        self.release_all(self.liveness.ends_forward(index, self.pass == PassKind::Training), values);
    }
}

impl nets::Backward for Lowering<'_> {
    fn backward(
        &mut self,
        node: &Node,
        values: &Tensors<Location>,
        gradients: Vec<Location>,
        sums: &mut Tensors<Location>,
    ) {
        let shape = self.network.shapes[node.input().0];
        let label = node.name.as_str();
        let gradient = gradients[0];
        let g = gradient.binding();
        match &node.operation {
            Operation::Conv(conv) => {
                let partial = self.per_replica("partial sums", conv.partial_bytes(self.rec.job.samples));
                let dweight = self.gradient(node.weight());
                let tile = self.tiles.of(*conv, Pass::WeightGradient);
                let x = self.input(node, 0, values);
                conv.dweight(self.rec, label, tile, [x, g, partial, dweight]);
                if self.network.needs_gradient(node.input()) {
                    // The kernel adds to the gradient from later nodes itself.
                    let sum = sums.take(node.input());
                    let dx = sum.unwrap_or_else(|| Location::Planes(self.pool.take(shape)));
                    let bindings = [g, self.packed_dinput(node.weight()), dx.binding()];
                    let tile = self.tiles.of(*conv, Pass::InputGradient);
                    conv.dinput(self.rec, label, tile, bindings, sum.is_some());
                    sums.set(node.input(), dx);
                }
                self.release(gradient);
            }
            Operation::Conv1x1(conv) => {
                let partial = self.per_replica("partial sums", conv.partial_bytes(self.rec.job.samples));
                let dweight = self.gradient(node.weight());
                let tile = self.tiles.of_untuned();
                let x = self.input(node, 0, values);
                conv.dweight(self.rec, label, tile, [x, g, partial, dweight]);
                if self.network.needs_gradient(node.input()) {
                    let sum = sums.take(node.input());
                    let dx = sum.unwrap_or_else(|| Location::Planes(self.pool.take(shape)));
                    let bindings = [g, self.packed_dinput(node.weight()), dx.binding()];
                    conv.dinput(self.rec, label, tile, bindings, sum.is_some());
                    sums.set(node.input(), dx);
                }
                self.release(gradient);
            }
            Operation::ConvDown(conv) => {
                let dy = [g, gradients[1].binding()];
                let [sums_square, sums_shortcut] = conv.partial_bytes(self.rec.job.samples);
                let partial = [("partial sums", sums_square), ("partial sums of shortcuts", sums_shortcut)];
                let tensors = conv_down::WeightGradient {
                    x: self.input(node, 0, values),
                    dy,
                    partial: partial.map(|(name, bytes)| self.per_replica(name, bytes)),
                    gradient: [0, 1].map(|i| self.gradient(node.parameters[i])),
                };
                let tile = self.tiles.of(*conv, Pass::WeightGradient);
                conv.dweight(self.rec, label, tile, tensors);
                let dx = self.network.needs_gradient(node.input()).then(|| self.pool.take(shape));
                if let Some(dx) = dx {
                    let packed = [0, 1].map(|i| self.packed_dinput(node.parameters[i]));
                    let tile = self.tiles.of(*conv, Pass::InputGradient);
                    conv.dinput(self.rec, label, tile, dy, packed, dx.binding);
                }
                gradients.into_iter().for_each(|gradient| self.release(gradient));
                if let Some(dx) = dx {
                    self.accumulate(node, 0, Location::Planes(dx), sums);
                }
            }
            Operation::ConvValid(conv) => {
                assert!(node.input() == TensorId(0), "a valid convolution has no input gradient: it must come first");
                let partial = self.per_replica("partial sums", conv.partial_bytes(self.rec.job.samples));
                let dweight = self.gradient(node.weight());
                let x = self.input(node, 0, values);
                conv.dweight(self.rec, label, [x, g, partial, dweight]);
                self.release(gradient);
            }
            Operation::BatchNorm { norm, .. } => {
                let y = self.input(node, 0, values);
                let dy = self.pool.take(shape);
                let tensors = batch_norm::Backward {
                    y,
                    coefficients: self.coefficients(node, shape),
                    shortcut: node.shortcut().map_or(y, |_| self.input(node, 1, values)),
                    g,
                    leaves: self.per_replica("leaves", norm.leaves(self.rec.job.samples) * 8),
                    scale_gradient: self.gradient(node.weight()),
                    scale_to_shift: self.weight_to_bias(node),
                    means: self.per_replica("means", u64::from(shape.channels) * 8),
                    dy: dy.binding,
                };
                norm.backward(self.rec, label, tensors);
                self.accumulate(node, 0, Location::Planes(dy), sums);
                // The gradient behind the activation is also the shortcut's.
                match node.shortcut() {
                    Some(_) => self.accumulate(node, 1, gradient, sums),
                    None => self.release(gradient),
                }
            }
            Operation::GroupNorm(norm) => {
                let y = self.input(node, 0, values);
                let samples = u64::from(self.rec.job.samples);
                let dy = self.pool.take(shape);
                let tensors = group_norm::Backward {
                    y,
                    coefficients: self.coefficients(node, shape),
                    shortcut: node.shortcut().map_or(y, |_| self.input(node, 1, values)),
                    g,
                    sums: self.per_replica("sums of norms", samples * u64::from(shape.channels) * 8),
                    scale: self.parameter(node.weight()),
                    scale_gradient: self.gradient(node.weight()),
                    scale_to_shift: self.weight_to_bias(node),
                    means: self.per_replica("means of groups", samples * u64::from(norm.groups()) * 8),
                    dy: dy.binding,
                };
                norm.backward(self.rec, label, tensors);
                self.accumulate(node, 0, Location::Planes(dy), sums);
                // The gradient behind the activation is also the shortcut's.
                match node.shortcut() {
                    Some(_) => self.accumulate(node, 1, gradient, sums),
                    None => self.release(gradient),
                }
            }
            Operation::Bias(bias) => {
                let y = self.input(node, 0, values);
                let tensors = bias::Backward {
                    y,
                    coefficients: self.coefficients(node, shape),
                    shortcut: node.shortcut().map_or(y, |_| self.input(node, 1, values)),
                    g,
                    leaves: self.per_replica("leaves", bias.leaves(self.rec.job.samples) * 8),
                    gradient: self.gradient(node.weight()),
                };
                bias.backward(self.rec, label, tensors);
                // Later kernels write gradients in place, so the shortcut needs its own.
                let of_shortcut = node.shortcut().map(|_| self.copy(label, gradient, shape));
                self.accumulate(node, 0, gradient, sums);
                if let Some(copy) = of_shortcut {
                    self.accumulate(node, 1, copy, sums);
                }
            }
            Operation::Add => {
                // Later kernels write gradients in place, so each input needs its own.
                let copy = self.copy(label, gradient, shape);
                self.accumulate(node, 0, gradient, sums);
                self.accumulate(node, 1, copy, sums);
            }
            Operation::Activation(activation) => {
                let z = self.input(node, 0, values);
                if let Location::Features(_) = gradient {
                    let elements = u64::from(self.rec.job.samples) * shape.elements();
                    activation::backward_features(self.rec, label, elements, *activation, z, g);
                } else {
                    activation::backward(self.rec, label, shape, *activation, z, g);
                }
                self.accumulate(node, 0, gradient, sums);
            }
            Operation::Gate => {
                let name = format!("gradient into {label}");
                let z = self.own(node.input(), values);
                let dx = self.gated((label, &name), node.input(), [z, gradient]);
                self.release(gradient);
                self.accumulate(node, 0, dx, sums);
            }
            Operation::MaxPool(pool) => {
                let x = self.input(node, 0, values);
                let dx = self.pool.take(shape);
                pool.backward(self.rec, label, [x, g, dx.binding]);
                self.release(gradient);
                self.accumulate(node, 0, Location::Planes(dx), sums);
            }
            Operation::GlobalAveragePool => {
                let dx = self.pool.take(shape);
                pool::backward(self.rec, label, shape, g, dx.binding);
                self.accumulate(node, 0, Location::Planes(dx), sums);
            }
            Operation::Flatten(flatten) => {
                let dx = self.pool.take(shape);
                flatten.backward(self.rec, label, g, dx.binding);
                self.accumulate(node, 0, Location::Planes(dx), sums);
            }
            Operation::Dense(dense) => {
                let x = self.input(node, 0, values);
                let (weight, dweight) = (self.parameter(node.weight()), self.gradient(node.weight()));
                dense.dweight(self.rec, label, [x, g, dweight], self.weight_to_bias(node));
                if !self.network.needs_gradient(node.input()) {
                    return;
                }
                let dx = self.vector(&format!("gradient into {label}"), shape);
                dense.dinput(self.rec, label, [g, weight, dx]);
                self.accumulate(node, 0, Location::Features(dx), sums);
            }
        }
    }

    fn add(&mut self, label: &str, tensor: TensorId, terms: [Location; 2]) -> Location {
        let sum = self.sum(label, tensor, terms);
        terms.into_iter().for_each(|term| self.release(term));
        sum
    }

    fn before_backward(&mut self, index: usize, values: &mut Tensors<Location>) {
        let network = self.network;
        backward_reads(&network.nodes[index]).iter().for_each(|tensor| self.restore(*tensor, values));
    }

    fn after_backward(&mut self, index: usize, values: &mut Tensors<Location>) {
        self.release_all(self.liveness.ends_backward(index), values);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use super::super::plan::{MemoryLimits, RecordingKind, Tuning};
    use super::super::trainer::{Trainer, plan_of};
    use super::super::{State, TrainConfig, Weights};
    use crate::data::{Dataset, synthetic};
    use crate::device::{AdapterChoice, Context, Options};
    use crate::double;
    use crate::nets::{GraphBuilder, Network};
    use crate::ops::{Activation, Shape, cross_entropy::Loss};

    const SWISH: Activation = Activation::Swish { beta: 1.0 };
    const BATCH: u32 = 4;

    /// Every kind of tensor has several readers, some of them the same node.
    fn tangled(input: Shape, classes: u32) -> Network {
        let mut g = GraphBuilder::new("tangled", input, Loss::SoftmaxCrossEntropy);
        let x = g.conv3x3("conv1", g.input(), 4);
        // The batch has readers that need a copy of it for each replica, and readers whose result needs no gradient.
        let bent = g.activation("bent", g.input(), SWISH);
        let of_bent = g.conv3x3("conv of bent", bent, 4);
        let [of_batch, projected] = g.conv_down(["conv of batch", "projection of batch"], g.input(), 8);
        let flat = g.flatten("flat batch", g.input());
        let bent_flat = g.activation("bent flat", flat, SWISH);
        let flat_sum = g.add("flat sum", flat, bent_flat);
        let x = g.add("with bent", x, of_bent);
        let a = g.norm_act("bn1", x, SWISH);
        // A batch norm of a batch norm's output, which has one reader and is not kept.
        let b = g.norm_act("bn2", a, SWISH);
        let b = g.norm("bn3", b);
        let c = g.conv3x3("conv2", b, 4);
        let d = g.activation("act", a, SWISH);
        let sum = g.add("sum", c, d);
        let double = g.add("double", sum, sum);
        let normed = g.norm_add_act("bn4", double, sum, SWISH);
        let [y, s] = g.conv_down(["conv3", "projection"], normed, 8);
        let pooled = g.max_pool("pool", normed);
        let pooled = g.conv3x3("conv4", pooled, 8);
        let y = g.add("branches", y, pooled);
        let y = g.add("with batch", y, of_batch);
        let y = g.add("with projected", y, projected);
        // 1x1 convolutions of a tensor with other readers, and of the batch.
        let widened = g.conv1x1("conv1x1", y, 8);
        let of_batch = g.conv1x1("conv1x1 of batch", g.input(), 8);
        let of_batch = g.max_pool("pool of batch", of_batch);
        let widened = g.add("widened", widened, of_batch);
        let y = g.add("with widened", y, widened);
        let y = g.norm_add_act("bn5", y, s, SWISH);
        let features = g.global_average_pool(y);
        let hidden = [0, 1].map(|i| g.dense(&format!("dense{i}"), features, 6));
        let features = g.add("features", hidden[0], hidden[1]);
        let of_flat = [flat, flat_sum].map(|x| g.dense(&format!("dense of {}", x.0), x, 6));
        let of_flat = g.add("of flat", of_flat[0], of_flat[1]);
        // Planes, flattened, whose gradient is needed.
        let inner = g.flatten("flatten", y);
        let inner = g.activation("act of features", inner, SWISH);
        let inner = g.dense("dense of flattened", inner, 6);
        let features = g.add("with flat", features, of_flat);
        let features = g.add("with inner", features, inner);
        let features = g.add("features twice", features, features);
        g.dense("fc", features, classes);
        g.finish()
    }

    /// The training images as float64 planes, and their labels.
    fn batch(dataset: &Dataset) -> (Vec<f64>, Vec<u32>) {
        let pixels = (dataset.shape().height * dataset.shape().width) as usize;
        let planes = dataset.train.pixels.chunks_exact(pixels).enumerate();
        let x = planes.flat_map(|(plane, bytes)| {
            let c = plane % dataset.shape().channels as usize;
            let (mean, std) = (f64::from(dataset.normalization.mean[c]), f64::from(dataset.normalization.std[c]));
            bytes.iter().map(move |byte| (f64::from(*byte) / 255.0 - mean) / std)
        });
        (x.collect(), dataset.train.labels.iter().map(|label| u32::from(*label)).collect())
    }

    #[test]
    fn any_tensor_may_have_several_readers() {
        let dataset = Arc::new(synthetic::dataset(1, BATCH as usize, 4));
        let network = tangled(dataset.shape(), dataset.classes);
        let initial = Weights::initial(&network, 1);
        let parameters: Vec<Vec<f64>> =
            initial.parameters.iter().map(|p| p.iter().map(|v| f64::from(*v)).collect()).collect();
        let (x, labels) = batch(&dataset);
        let (_, expected) = double::gradients(&network, &parameters, &x, &labels);
        let config = TrainConfig {
            ks: vec![1, 3],
            batch_size: BATCH,
            augment: false,
            weight_decay: 0.0,
            ..TrainConfig::default()
        };
        // Without weight decay the momenta after the first step are the gradients.
        let state = pollster::block_on(async {
            let options = Options { adapter: AdapterChoice::Named("processor".to_owned()), ..Options::default() };
            let context = Rc::new(Context::open(options).await.unwrap());
            let limits = MemoryLimits { binding: u64::MAX, total: None };
            let tuning = Tuning::default();
            let plan = plan_of(&network, &config, &dataset.outline(), &tuning, limits).unwrap();
            let state = State::initial(&initial, config.ks.len(), config.optimizer);
            let mut trainer = Trainer::allocate(context, config, dataset, tuning, plan, state).await.unwrap();
            let kinds = vec![
                RecordingKind::Input(BATCH),
                RecordingKind::Train(0, BATCH),
                RecordingKind::Measure(0),
                RecordingKind::Fingerprint(0),
            ];
            trainer.build_programs(kinds).await.unwrap();
            trainer.advance().await.unwrap();
            trainer.flush().await.unwrap();
            trainer.state().await.unwrap()
        });
        for replica in &state.replicas {
            for ((parameter, found), expected) in
                network.parameters.iter().zip(&replica.optimizer[0].values).zip(&expected)
            {
                let error: f64 = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
                let norm: f64 = expected.iter().map(|b| b * b).sum();
                assert!(error <= 1e-8 * norm, "gradient of {}: off by {:.1e}", parameter.name, (error / norm).sqrt());
            }
        }
    }
}

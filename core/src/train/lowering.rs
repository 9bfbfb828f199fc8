//! Lowers a network to launches: the forward pass in the order of its nodes, the backward pass in reverse.

use std::collections::HashMap;

use super::liveness::{Liveness, backward_reads};
use super::memory::{self, PlanePool, Planes};
use crate::nets::{Network, Node, Operation, Projection, TensorId};
use crate::ops::{Pass, Shape, Tiles, activation, batch_norm, conv_down, cross_entropy, pool};
use crate::record::{Binding, BufferId, Recording};

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
enum Place {
    Planes(Planes),
    /// The batch, or a dense `[R][N][C]` buffer: not part of the pool.
    Fixed(Binding),
}

impl Place {
    fn binding(self) -> Binding {
        match self {
            Self::Planes(planes) => planes.binding,
            Self::Fixed(binding) => binding,
        }
    }
}

/// Name of the buffer with the output of a node that computes vectors.
fn output_name(node: &str) -> String {
    format!("output of {node}")
}

/// Appends the passes of `network` to a recording.
pub struct Lowering<'a> {
    pub network: &'a Network,
    pub arenas: Arenas,
    pub packed_at: &'a HashMap<usize, PackedAt>,
    pub tiles: &'a Tiles,
    pub pool: PlanePool<'a>,
    pub rec: &'a mut Recording,
}

/// Where the forward pass put the values of each tensor.
pub struct Activations {
    places: Vec<Option<Place>>,
}

impl Activations {
    /// The binding of a tensor's values.
    pub fn at(&self, tensor: TensorId) -> Binding {
        match self.places[tensor.0] {
            Some(place) => place.binding(),
            None => unreachable!("tensor {} is read before it is computed or after its last use", tensor.0),
        }
    }
}

impl Lowering<'_> {
    fn parameter(&self, index: usize) -> Binding {
        let offset = u64::from(self.network.parameters[index].offset) * 4;
        memory::from(self.arenas.parameters, offset)
    }

    fn gradient(&self, index: usize) -> Binding {
        let offset = u64::from(self.network.parameters[index].offset) * 4;
        memory::from(self.arenas.gradients, offset)
    }

    fn distance(&self, from: usize) -> u32 {
        self.network.parameters[from + 1].offset - self.network.parameters[from].offset
    }

    fn packed(&self, offset: u64) -> Binding {
        memory::from(self.arenas.packed, offset)
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
        self.per_replica(&format!("coefficients {}", node.name), u64::from(shape.channels) * 16)
    }

    /// Appends the forward pass and the loss. With `training`, batch norms use batch statistics, and tensors that the
    /// backward pass reads are kept.
    pub fn forward(&mut self, training: bool) -> Activations {
        let network = self.network;
        let liveness = Liveness::new(network);
        let mut values = Activations { places: vec![None; network.shapes.len()] };
        values.places[0] = Some(Place::Fixed(self.arenas.x));
        for (i, node) in network.nodes.iter().enumerate() {
            let place = self.forward_node(node, &mut values, training);
            values.places[node.output.0] = Some(place);
            for tensor in liveness.ends_forward(i, training) {
                self.end(&mut values, tensor);
            }
        }
        let logits = network.logits();
        let classes = network.shapes[logits.0].channels;
        let samples = u64::from(self.rec.job.samples);
        let bindings = cross_entropy::Bindings {
            logits: values.at(logits),
            labels: self.arenas.labels,
            dlogits: self.vector("gradient of the logits", network.shapes[logits.0]),
            scores: self.per_replica("scores", samples * 8),
            totals: self.arenas.totals,
        };
        cross_entropy::forward(self.rec, network.loss, classes, bindings);
        values
    }

    fn forward_node(&mut self, node: &Node, values: &mut Activations, training: bool) -> Place {
        let shape = self.network.shapes[node.output.0];
        let x = values.at(node.input);
        let label = node.name.as_str();
        match &node.operation {
            Operation::Conv { conv, weight } => {
                let y = self.pool.take(shape);
                let packed = self.packed(self.packed_at[weight].forward);
                let tile = self.tiles.of(*conv, Pass::Forward);
                conv.forward(self.rec, label, tile, [x, packed, y.binding]);
                Place::Planes(y)
            }
            Operation::ConvDown { conv, weight, shortcut } => {
                let shortcut = the_shortcut(node, shortcut);
                let [y, s] = [self.pool.take(shape), self.pool.take(shape)];
                let packed = [*weight, shortcut.weight].map(|weight| self.packed(self.packed_at[&weight].forward));
                let tile = self.tiles.of(*conv, Pass::Forward);
                conv.forward(self.rec, label, tile, x, packed, [y.binding, s.binding]);
                values.places[shortcut.output.0] = Some(Place::Planes(s));
                Place::Planes(y)
            }
            Operation::ConvValid { conv, weight } => {
                let y = self.pool.take(shape);
                let weight = self.parameter(*weight);
                conv.forward(self.rec, label, self.tiles.of_valid(), [x, weight, y.binding]);
                Place::Planes(y)
            }
            Operation::BatchNorm { norm, scale, running, .. } => {
                let running = &self.network.running[*running];
                let at = u64::from(running.mean) * 4;
                let channels = batch_norm::Channels {
                    scale: self.parameter(*scale),
                    shift: self.parameter(scale + 1),
                    running: memory::from(self.arenas.running, at),
                    mean_to_variance: running.variance - running.mean,
                };
                let coefficients = self.coefficients(node, shape);
                if training {
                    let leaves = self.per_replica("leaves", norm.leaves(self.rec.job.samples) * 8);
                    norm.statistics(self.rec, label, x, leaves, channels, coefficients);
                } else {
                    norm.running(self.rec, label, channels, coefficients);
                }
                self.norm_output(node, values)
            }
            Operation::Activation(activation) => {
                let a = self.pool.take(shape);
                activation::forward(self.rec, label, shape, *activation, x, a.binding);
                Place::Planes(a)
            }
            Operation::MaxPool(pool) => {
                let y = self.pool.take(shape);
                pool.forward(self.rec, label, x, y.binding);
                Place::Planes(y)
            }
            Operation::GlobalAveragePool => {
                let features = self.vector(&output_name(label), shape);
                pool::forward(self.rec, label, self.network.shapes[node.input.0], x, features);
                Place::Fixed(features)
            }
            Operation::Dense { dense, weight } => {
                let logits = self.vector(&output_name(label), shape);
                let bindings = [x, self.parameter(*weight), self.parameter(weight + 1), logits];
                dense.forward(self.rec, label, bindings);
                Place::Fixed(logits)
            }
        }
    }

    /// Appends the computation of a batch norm's output from coefficients that are already computed.
    fn norm_output(&mut self, node: &Node, values: &Activations) -> Place {
        let Operation::BatchNorm { norm, shortcut, .. } = &node.operation else { unreachable!("{}", node.name) };
        let coefficients = self.coefficients(node, norm.shape);
        let a = self.pool.take(norm.shape);
        let x = values.at(node.input);
        let shortcut = shortcut.map_or(x, |s| values.at(s));
        norm.apply(self.rec, &node.name, x, coefficients, shortcut, a.binding);
        Place::Planes(a)
    }

    /// Returns a tensor's planes to the pool after its last use.
    fn end(&mut self, values: &mut Activations, tensor: usize) {
        if let Some(place) = values.places[tensor].take() {
            self.give(place);
        }
    }

    /// Appends the backward pass, which writes the gradient of every parameter to the gradient arena.
    pub fn backward(&mut self, mut values: Activations) {
        let network = self.network;
        let liveness = Liveness::new(network);
        let logits = network.logits();
        let mut gradients: HashMap<TensorId, Place> = HashMap::new();
        let dlogits = self.vector("gradient of the logits", network.shapes[logits.0]);
        gradients.insert(logits, Place::Fixed(dlogits));
        for (i, node) in network.nodes.iter().enumerate().rev() {
            let Some(g) = gradients.remove(&node.output) else { unreachable!("{} has no gradient", node.name) };
            for tensor in backward_reads(node) {
                if let (None, Some(maker)) = (values.places[tensor.0], liveness.maker(tensor)) {
                    values.places[tensor.0] = Some(self.norm_output(&network.nodes[maker], &values));
                }
            }
            self.backward_node(node, &values, g, &mut gradients);
            for tensor in liveness.ends_backward(i) {
                self.end(&mut values, tensor);
            }
        }
    }

    fn backward_node(&mut self, node: &Node, values: &Activations, g: Place, gradients: &mut HashMap<TensorId, Place>) {
        let input_shape = self.network.shapes[node.input.0];
        // Evaluated on use: not every node reads its input again, and the tensor may be gone.
        let x = || values.at(node.input);
        let label = node.name.as_str();
        let is_batch = node.input == TensorId(0);
        match &node.operation {
            Operation::Conv { conv, weight } => {
                let partial = self.per_replica("partial sums", conv.partial_bytes(self.rec.job.samples));
                let gradient = self.gradient(*weight);
                let tile = self.tiles.of(*conv, Pass::WeightGradient);
                conv.dweight(self.rec, label, tile, [x(), g.binding(), partial, gradient]);
                if !is_batch {
                    let packed = self.packed(self.packed_at[weight].dinput);
                    let existing = gradients.get(&node.input).copied();
                    let dx = existing.unwrap_or_else(|| Place::Planes(self.pool.take(input_shape)));
                    let bindings = [g.binding(), packed, dx.binding()];
                    let tile = self.tiles.of(*conv, Pass::InputGradient);
                    conv.dinput(self.rec, label, tile, bindings, existing.is_some());
                    gradients.insert(node.input, dx);
                }
                self.give(g);
            }
            Operation::ConvDown { conv, weight, shortcut } => {
                let shortcut = the_shortcut(node, shortcut);
                let Some(ds) = gradients.remove(&shortcut.output) else {
                    unreachable!("{label}: no shortcut gradient")
                };
                let dy = [g.binding(), ds.binding()];
                let weights = [*weight, shortcut.weight];
                let [sums, sums_shortcut] = conv.partial_bytes(self.rec.job.samples);
                let partial = [("partial sums", sums), ("partial sums of shortcuts", sums_shortcut)];
                let tensors = conv_down::WeightGradient {
                    x: x(),
                    dy,
                    partial: partial.map(|(name, bytes)| self.per_replica(name, bytes)),
                    gradient: weights.map(|weight| self.gradient(weight)),
                };
                let tile = self.tiles.of(*conv, Pass::WeightGradient);
                conv.dweight(self.rec, label, tile, tensors);
                let dx = self.pool.take(input_shape);
                let packed = weights.map(|weight| self.packed(self.packed_at[&weight].dinput));
                let tile = self.tiles.of(*conv, Pass::InputGradient);
                conv.dinput(self.rec, label, tile, dy, packed, dx.binding);
                self.give(g);
                self.give(ds);
                self.first(node, Place::Planes(dx), gradients);
            }
            Operation::ConvValid { conv, weight } => {
                assert!(is_batch, "a valid convolution has no input gradient: it must be the first node");
                let partial = self.per_replica("partial sums", conv.partial_bytes(self.rec.job.samples));
                let gradient = self.gradient(*weight);
                conv.dweight(self.rec, label, [x(), g.binding(), partial, gradient]);
                self.give(g);
            }
            Operation::BatchNorm { norm, shortcut, scale, .. } => {
                let channels = u64::from(input_shape.channels);
                let dy = self.pool.take(input_shape);
                let tensors = batch_norm::Backward {
                    y: x(),
                    coefficients: self.coefficients(node, input_shape),
                    shortcut: shortcut.map_or_else(x, |s| values.at(s)),
                    g: g.binding(),
                    leaves: self.per_replica("leaves", norm.leaves(self.rec.job.samples) * 8),
                    scale_gradient: self.gradient(*scale),
                    scale_to_shift: self.distance(*scale),
                    means: self.per_replica("means", channels * 8),
                    dy: dy.binding,
                };
                norm.backward(self.rec, label, tensors);
                let only = gradients.insert(node.input, Place::Planes(dy)).is_none();
                // The gradient before the activation, which `g` holds now, is also the shortcut's.
                let free = match shortcut {
                    Some(s) => gradients.insert(*s, g).is_none(),
                    None => {
                        self.give(g);
                        true
                    }
                };
                assert!(only && free, "{label}: only convolutions can add to an existing gradient");
            }
            Operation::Activation(activation) => {
                activation::backward(self.rec, label, input_shape, *activation, x(), g.binding());
                self.first(node, g, gradients);
            }
            Operation::MaxPool(pool) => {
                let dx = self.pool.take(input_shape);
                pool.backward(self.rec, label, [x(), g.binding(), dx.binding]);
                self.give(g);
                self.first(node, Place::Planes(dx), gradients);
            }
            Operation::GlobalAveragePool => {
                let dx = self.pool.take(input_shape);
                pool::backward(self.rec, label, input_shape, g.binding(), dx.binding);
                self.first(node, Place::Planes(dx), gradients);
            }
            Operation::Dense { dense, weight } => {
                let to_bias = self.distance(*weight);
                let gradient = self.gradient(*weight);
                dense.dweight(self.rec, label, [x(), g.binding(), gradient], to_bias);
                let weight = self.parameter(*weight);
                let dx = self.vector(&format!("gradient into {label}"), input_shape);
                dense.dinput(self.rec, label, [g.binding(), weight, dx]);
                self.first(node, Place::Fixed(dx), gradients);
            }
        }
    }

    fn first(&self, node: &Node, gradient: Place, gradients: &mut HashMap<TensorId, Place>) {
        let only = gradients.insert(node.input, gradient).is_none();
        assert!(only, "{}: only convolutions can add to an existing gradient", node.name);
    }

    fn give(&mut self, place: Place) {
        if let Place::Planes(planes) = place {
            self.pool.give(planes);
        }
    }
}

fn the_shortcut(node: &Node, shortcut: &Option<Projection>) -> Projection {
    let Some(shortcut) = shortcut else { unreachable!("{} has no shortcut", node.name) };
    *shortcut
}

//! Lowers a network to launches: the forward pass in the order of its nodes, the backward pass in reverse.

mod backward;
mod forward;

use std::collections::HashMap;

use super::liveness::Liveness;
use super::memory::{self, PlanePool, Planes};
use crate::nets::{Network, Node, Operation, ParameterId, TensorId, Tensors};
use crate::ops::{Shape, Tiles, add, cross_entropy, gate};
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

#[cfg(test)]
mod tests;

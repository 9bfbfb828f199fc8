//! Launches of the forward pass.

use super::{Location, Lowering, PassKind, output_name};
use crate::nets::{self, Node, Operation, Tensors};
use crate::ops::{Pass, activation, batch_norm, pool};
use crate::train::memory;

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

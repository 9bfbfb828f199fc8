//! Launches of the backward pass.

use super::{Location, Lowering};
use crate::nets::{self, Backward as _, Node, Operation, TensorId, Tensors};
use crate::ops::{Pass, activation, batch_norm, bias, conv_down, group_norm, pool};
use crate::train::liveness::backward_reads;

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
                self.pass_back(node, [Location::Planes(dy), gradient], sums);
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
                self.pass_back(node, [Location::Planes(dy), gradient], sums);
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

impl Lowering<'_> {
    /// Gives a norm's input its gradient `dy`, and its shortcut, if it has one, the gradient behind the activation, which is the shortcut's,
    /// too.
    fn pass_back(&mut self, node: &Node, [dy, behind]: [Location; 2], sums: &mut Tensors<Location>) {
        self.accumulate(node, 0, dy, sums);
        match node.shortcut() {
            Some(_) => self.accumulate(node, 1, behind, sums),
            None => self.release(behind),
        }
    }
}

//! The passes over a network in float64.

use super::functions;
use super::layers::{Biases, Geometry, Groups, Moments, Norm, activate, max_pool};
use crate::nets::{Backward, Forward, Network, Node, Operation, Tensors};
use crate::ops::Activation;
use crate::ops::group_norm::GroupNorm;

/// What a node keeps for the backward pass, besides its input and output.
enum Kept {
    Moments(Moments),
    /// For each output element, the index of the largest input element.
    Largest(Vec<usize>),
}

/// Computes the nodes of a network for one batch.
struct Engine<'a> {
    network: &'a Network,
    parameters: &'a [Vec<f64>],
    samples: usize,
    /// What each node keeps, by its first output.
    kept: Tensors<Kept>,
    /// Gradient of each parameter.
    gradients: Vec<Vec<f64>>,
}

/// Mean loss of a batch, and its gradient with respect to every parameter.
pub fn gradients(network: &Network, parameters: &[Vec<f64>], x: &[f64], labels: &[u32]) -> (f64, Vec<Vec<f64>>) {
    let gradients = parameters.iter().map(|values| vec![0.0; values.len()]).collect();
    let mut engine = Engine { network, parameters, samples: labels.len(), kept: Tensors::none(network), gradients };
    let values = network.forward(&mut engine, x.to_vec());
    let n = labels.len() as f64;
    let logits = values.at(network.logits());
    let (mut total, mut dlogits) = (0.0, Vec::with_capacity(logits.len()));
    for (logits, label) in logits.chunks_exact(logits.len() / labels.len()).zip(labels) {
        let (loss, gradient) = functions::cross_entropy(network.loss, logits, *label);
        total += loss;
        dlogits.extend(gradient.into_iter().map(|g| g / n));
    }
    network.backward(&mut engine, values, dlogits);
    (total / n, engine.gradients)
}

impl<'a> Engine<'a> {
    /// Values of parameter number `i` of a node.
    fn parameter(&self, node: &Node, i: usize) -> &'a [f64] {
        &self.parameters[node.parameters[i].0]
    }

    fn norm<'b>(&self, norm: &'b crate::ops::batch_norm::BatchNorm, node: &Node) -> Norm<'b>
    where
        'a: 'b,
    {
        Norm { norm, scale: self.parameter(node, 0), shift: self.parameter(node, 1) }
    }

    fn groups<'b>(&self, norm: &'b GroupNorm, node: &Node) -> Groups<'b>
    where
        'a: 'b,
    {
        Groups { norm, scale: self.parameter(node, 0), shift: self.parameter(node, 1) }
    }
}

impl Forward for Engine<'_> {
    type Value = Vec<f64>;

    fn forward(&mut self, node: &Node, values: &Tensors<Vec<f64>>) -> Vec<Vec<f64>> {
        let x = values.at(node.input());
        let samples = self.samples;
        let value = match &node.operation {
            Operation::Conv(conv) => Geometry::from(conv).forward(samples, x, self.parameter(node, 0)),
            Operation::Conv1x1(conv) => Geometry::from(conv).forward(samples, x, self.parameter(node, 0)),
            Operation::ConvDown(conv) => {
                let pair = Geometry::pair(conv).into_iter().enumerate();
                return pair.map(|(i, geometry)| geometry.forward(samples, x, self.parameter(node, i))).collect();
            }
            Operation::ConvValid(conv) => Geometry::from(conv).forward(samples, x, self.parameter(node, 0)),
            Operation::BatchNorm { norm, .. } => {
                let shortcut = node.shortcut().map(|s| values.at(s).as_slice());
                let (a, moments) = self.norm(norm, node).forward(samples, x, shortcut);
                self.kept.set(node.output(), Kept::Moments(moments));
                a
            }
            Operation::GroupNorm(norm) => {
                let shortcut = node.shortcut().map(|s| values.at(s).as_slice());
                let (a, moments) = self.groups(norm, node).forward(x, shortcut);
                self.kept.set(node.output(), Kept::Moments(moments));
                a
            }
            Operation::Bias(bias) => {
                let shortcut = node.shortcut().map(|s| values.at(s).as_slice());
                Biases { layer: bias, bias: self.parameter(node, 0) }.forward(x, shortcut)
            }
            Operation::Add => x.iter().zip(values.at(node.inputs[1])).map(|(a, b)| a + b).collect(),
            Operation::Gate => x.iter().map(|z| activate(Some(Activation::Relu), *z)[0]).collect(),
            // Rows of `[N][C][H][W]` are features already.
            Operation::Flatten(_) => x.clone(),
            Operation::Activation(activation) => x.iter().map(|z| activate(Some(*activation), *z)[0]).collect(),
            Operation::MaxPool(pool) => {
                let (y, from) = max_pool(pool, samples, x);
                self.kept.set(node.output(), Kept::Largest(from));
                y
            }
            Operation::GlobalAveragePool => {
                let pixels = x.len() / (samples * self.network.shapes[node.output().0].channels as usize);
                x.chunks_exact(pixels).map(|plane| plane.iter().sum::<f64>() / pixels as f64).collect()
            }
            Operation::Dense(dense) => {
                let (weights, bias) = (self.parameter(node, 0), self.parameter(node, 1));
                let unit = |features: &[f64], k: usize| {
                    let products = features.iter().zip(&weights[k * features.len()..]);
                    bias[k] + products.map(|(x, w)| x * w).sum::<f64>()
                };
                let inputs = dense.inputs as usize;
                x.chunks_exact(inputs).flat_map(|f| (0..bias.len()).map(move |k| unit(f, k))).collect()
            }
        };
        vec![value]
    }
}

impl Backward for Engine<'_> {
    fn backward(
        &mut self,
        node: &Node,
        values: &Tensors<Vec<f64>>,
        gradients: Vec<Vec<f64>>,
        sums: &mut Tensors<Vec<f64>>,
    ) {
        let x = values.at(node.input());
        let samples = self.samples;
        let mut convolutions = |geometries: &[Geometry]| {
            let needs_gradient = self.network.needs_gradient(node.input());
            let mut dx = needs_gradient.then(|| sums.take(node.input()).unwrap_or_else(|| vec![0.0; x.len()]));
            for ((geometry, dy), weight) in geometries.iter().zip(&gradients).zip(&node.parameters) {
                let w = &self.parameters[weight.0];
                self.gradients[weight.0] = geometry.backward(samples, [x, w, dy], dx.as_deref_mut());
            }
            if let Some(dx) = dx {
                sums.set(node.input(), dx);
            }
        };
        match &node.operation {
            Operation::Conv(conv) => return convolutions(&[conv.into()]),
            Operation::Conv1x1(conv) => return convolutions(&[conv.into()]),
            Operation::ConvDown(conv) => return convolutions(&Geometry::pair(conv)),
            Operation::ConvValid(conv) => return convolutions(&[conv.into()]),
            _ => {}
        }
        let [mut g]: [Vec<f64>; 1] = gradients.try_into().expect("only pairs of convolutions have two outputs");
        let dx = match &node.operation {
            Operation::Conv(_) | Operation::Conv1x1(_) | Operation::ConvDown(_) | Operation::ConvValid(_) => {
                unreachable!("done above")
            }
            Operation::BatchNorm { norm, .. } => {
                let Some(Kept::Moments(moments)) = self.kept.get(node.output()) else {
                    unreachable!("a batch norm keeps its moments")
                };
                let added = node.shortcut().map(|s| values.at(s).as_slice());
                let (dy, dscale, dshift) = self.norm(norm, node).backward(samples, x, added, moments, &mut g);
                self.gradients[node.weight().0] = dscale;
                self.gradients[node.bias().0] = dshift;
                if node.shortcut().is_some() {
                    self.accumulate(node, 1, g, sums);
                }
                dy
            }
            Operation::GroupNorm(norm) => {
                let Some(Kept::Moments(moments)) = self.kept.get(node.output()) else {
                    unreachable!("a group norm keeps its moments")
                };
                let added = node.shortcut().map(|s| values.at(s).as_slice());
                let (dy, dscale, dshift) = self.groups(norm, node).backward(x, added, moments, &mut g);
                self.gradients[node.weight().0] = dscale;
                self.gradients[node.bias().0] = dshift;
                if node.shortcut().is_some() {
                    self.accumulate(node, 1, g, sums);
                }
                dy
            }
            Operation::Bias(bias) => {
                let added = node.shortcut().map(|s| values.at(s).as_slice());
                let biases = Biases { layer: bias, bias: self.parameter(node, 0) };
                self.gradients[node.weight().0] = biases.backward(x, added, &mut g);
                if node.shortcut().is_some() {
                    self.accumulate(node, 1, g.clone(), sums);
                }
                g
            }
            Operation::Add => {
                self.accumulate(node, 1, g.clone(), sums);
                g
            }
            Operation::Flatten(_) => g,
            Operation::Activation(activation) => {
                g.iter_mut().zip(x).for_each(|(g, z)| *g *= activate(Some(*activation), *z)[1]);
                g
            }
            Operation::Gate => {
                g.iter_mut().zip(x).for_each(|(g, z)| *g *= activate(Some(Activation::Relu), *z)[1]);
                g
            }
            Operation::MaxPool(_) => {
                let Some(Kept::Largest(from)) = self.kept.get(node.output()) else {
                    unreachable!("a max pool keeps its choice")
                };
                let mut dx = vec![0.0; x.len()];
                from.iter().zip(&g).for_each(|(at, g)| dx[*at] += g);
                dx
            }
            Operation::GlobalAveragePool => {
                let pixels = x.len() / g.len();
                g.iter().flat_map(|g| std::iter::repeat_n(g / pixels as f64, pixels)).collect()
            }
            Operation::Dense(dense) => {
                let (inputs, units) = (dense.inputs as usize, dense.units as usize);
                let weights = self.parameter(node, 0);
                let mut dx = vec![0.0; x.len()];
                let rows = x.chunks_exact(inputs).zip(dx.chunks_exact_mut(inputs)).zip(g.chunks_exact(units));
                for ((x, dx), g) in rows {
                    for (k, g) in g.iter().enumerate() {
                        let range = k * inputs..(k + 1) * inputs;
                        dx.iter_mut().zip(&weights[range.clone()]).for_each(|(d, w)| *d += g * w);
                        let dweights = &mut self.gradients[node.weight().0][range];
                        dweights.iter_mut().zip(x).for_each(|(d, x)| *d += g * x);
                        self.gradients[node.bias().0][k] += g;
                    }
                }
                dx
            }
        };
        self.accumulate(node, 0, dx, sums);
    }

    fn add(&mut self, _: &str, _: crate::nets::TensorId, [mut sum, gradient]: [Vec<f64>; 2]) -> Vec<f64> {
        sum.iter_mut().zip(gradient).for_each(|(a, b)| *a += b);
        sum
    }
}

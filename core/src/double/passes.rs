//! The passes over a network: forward in the order of its nodes, backward in reverse.

use super::layers::{Geometry, Moments, Norm, activate, max_pool};
use crate::nets::{Network, Node, Operation, Projection};
use crate::ops::cross_entropy::Loss;

/// What a node keeps for the backward pass, besides its input and output.
enum Kept {
    Nothing,
    Moments(Moments),
    /// For each output, the index of the largest input.
    Largest(Vec<usize>),
}

struct Passes<'a> {
    network: &'a Network,
    parameters: &'a [Vec<f64>],
    samples: usize,
    /// Values of each tensor.
    values: Vec<Vec<f64>>,
    kept: Vec<Kept>,
}

/// Mean loss of a batch, and its gradient with respect to every parameter.
pub fn gradients(network: &Network, parameters: &[Vec<f64>], x: &[f64], labels: &[u32]) -> (f64, Vec<Vec<f64>>) {
    let mut values = vec![Vec::new(); network.shapes.len()];
    values[0] = x.to_vec();
    let mut passes = Passes { network, parameters, samples: labels.len(), values, kept: Vec::new() };
    for node in &network.nodes {
        let (value, kept) = passes.forward(node);
        passes.values[node.output.0] = value;
        passes.kept.push(kept);
        if let Operation::ConvDown { conv, shortcut: Some(Projection { weight, output }), .. } = &node.operation {
            let [_, pointwise] = Geometry::pair(conv);
            let x = &passes.values[node.input.0];
            passes.values[output.0] = pointwise.forward(passes.samples, x, &parameters[*weight]);
        }
    }
    let (loss, dlogits) = cross_entropy(network.loss, &passes.values[network.logits().0], labels);
    (loss, passes.backward(dlogits))
}

/// Mean loss, and its gradient with respect to the logits `[N][K]`.
fn cross_entropy(loss: Loss, logits: &[f64], labels: &[u32]) -> (f64, Vec<f64>) {
    let n = labels.len() as f64;
    let classes = logits.len() / labels.len();
    let (mut total, mut gradient) = (0.0, Vec::with_capacity(logits.len()));
    for (logits, &label) in logits.chunks_exact(classes).zip(labels) {
        match loss {
            Loss::SoftmaxCrossEntropy => {
                let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = logits.iter().map(|l| libm::exp(l - most)).sum();
                total += libm::log(sum) - (logits[label as usize] - most);
                let each = logits.iter().enumerate();
                gradient.extend(
                    each.map(|(k, l)| (libm::exp(l - most) / sum - f64::from(u8::from(k == label as usize))) / n),
                );
            }
            Loss::SigmoidBinaryCrossEntropy => {
                let (l, label) = (logits[0], f64::from(label));
                let e = libm::exp(-l.abs());
                total += l.max(0.0) - l * label + libm::log1p(e);
                gradient.push((if l < 0.0 { e } else { 1.0 } / (1.0 + e) - label) / n);
            }
        }
    }
    (total / n, gradient)
}

impl Passes<'_> {
    fn norm<'b>(&'b self, norm: &'b crate::ops::batch_norm::BatchNorm, scale: usize) -> Norm<'b> {
        Norm { norm, scale: &self.parameters[scale], shift: &self.parameters[scale + 1] }
    }

    fn forward(&self, node: &Node) -> (Vec<f64>, Kept) {
        let x = &self.values[node.input.0];
        let samples = self.samples;
        let value = match &node.operation {
            Operation::Conv { conv, weight } => Geometry::from(conv).forward(samples, x, &self.parameters[*weight]),
            Operation::ConvDown { conv, weight, .. } => {
                let [square, _] = Geometry::pair(conv);
                square.forward(samples, x, &self.parameters[*weight])
            }
            Operation::ConvValid { conv, weight } => {
                Geometry::from(conv).forward(samples, x, &self.parameters[*weight])
            }
            Operation::BatchNorm { norm, shortcut, scale, .. } => {
                let shortcut = shortcut.map(|s| self.values[s.0].as_slice());
                let (a, moments) = self.norm(norm, *scale).forward(samples, x, shortcut);
                return (a, Kept::Moments(moments));
            }
            Operation::Activation(activation) => x.iter().map(|z| activate(Some(*activation), *z)[0]).collect(),
            Operation::MaxPool(pool) => {
                let (y, from) = max_pool(pool, samples, x);
                return (y, Kept::Largest(from));
            }
            Operation::GlobalAveragePool => {
                let pixels = x.len() / (samples * self.network.shapes[node.output.0].channels as usize);
                x.chunks_exact(pixels).map(|plane| plane.iter().sum::<f64>() / pixels as f64).collect()
            }
            Operation::Dense { dense, weight } => {
                let (weights, bias) = (&self.parameters[*weight], &self.parameters[weight + 1]);
                let unit = |features: &[f64], k: usize| {
                    let products = features.iter().zip(&weights[k * features.len()..]);
                    bias[k] + products.map(|(x, w)| x * w).sum::<f64>()
                };
                let inputs = dense.inputs as usize;
                x.chunks_exact(inputs).flat_map(|f| (0..bias.len()).map(move |k| unit(f, k))).collect()
            }
        };
        (value, Kept::Nothing)
    }

    fn backward(&self, dlogits: Vec<f64>) -> Vec<Vec<f64>> {
        let mut gradients: Vec<Vec<f64>> = self.parameters.iter().map(|p| vec![0.0; p.len()]).collect();
        let mut by_tensor: Vec<Option<Vec<f64>>> = vec![None; self.values.len()];
        by_tensor[self.network.logits().0] = Some(dlogits);
        for (node, kept) in self.network.nodes.iter().zip(&self.kept).rev() {
            let Some(g) = by_tensor[node.output.0].take() else { unreachable!("{} has no gradient", node.name) };
            self.backward_node(node, kept, g, &mut gradients, &mut by_tensor);
        }
        gradients
    }

    fn backward_node(
        &self,
        node: &Node,
        kept: &Kept,
        mut g: Vec<f64>,
        gradients: &mut [Vec<f64>],
        by_tensor: &mut [Option<Vec<f64>>],
    ) {
        let x = &self.values[node.input.0];
        let samples = self.samples;
        let mut conv = |geometry: Geometry, weight: usize, g: &[f64], by_tensor: &mut [Option<Vec<f64>>]| {
            // The batch itself needs no gradient.
            let dx = (node.input.0 != 0)
                .then(|| by_tensor[node.input.0].get_or_insert_with(|| vec![0.0; x.len()]).as_mut_slice());
            gradients[weight] = geometry.backward(samples, [x, &self.parameters[weight], g], dx);
        };
        let dx = match &node.operation {
            Operation::Conv { conv: of, weight } => return conv(of.into(), *weight, &g, by_tensor),
            Operation::ConvDown { conv: of, weight, shortcut } => {
                let [square, pointwise] = Geometry::pair(of);
                conv(square, *weight, &g, by_tensor);
                if let Some(Projection { weight, output }) = shortcut {
                    let Some(g) = by_tensor[output.0].take() else {
                        unreachable!("{}: no shortcut gradient", node.name)
                    };
                    conv(pointwise, *weight, &g, by_tensor);
                }
                return;
            }
            Operation::ConvValid { conv: of, weight } => return conv(of.into(), *weight, &g, by_tensor),
            Operation::BatchNorm { norm, shortcut, scale, .. } => {
                let Kept::Moments(moments) = kept else { unreachable!("batch norm keeps moments") };
                let added = shortcut.map(|s| self.values[s.0].as_slice());
                let (dy, dscale, dshift) = self.norm(norm, *scale).backward(samples, x, added, moments, &mut g);
                gradients[*scale] = dscale;
                gradients[scale + 1] = dshift;
                if let Some(shortcut) = shortcut {
                    add(&mut by_tensor[shortcut.0], g);
                }
                dy
            }
            Operation::Activation(activation) => {
                g.iter_mut().zip(x).for_each(|(g, z)| *g *= activate(Some(*activation), *z)[1]);
                g
            }
            Operation::MaxPool(_) => {
                let Kept::Largest(from) = kept else { unreachable!("max pool keeps its choice") };
                let mut dx = vec![0.0; x.len()];
                from.iter().zip(&g).for_each(|(at, g)| dx[*at] += g);
                dx
            }
            Operation::GlobalAveragePool => {
                let pixels = x.len() / g.len();
                g.iter().flat_map(|g| std::iter::repeat_n(g / pixels as f64, pixels)).collect()
            }
            Operation::Dense { dense, weight } => {
                let (inputs, units) = (dense.inputs as usize, dense.units as usize);
                let mut dx = vec![0.0; x.len()];
                let rows = x.chunks_exact(inputs).zip(dx.chunks_exact_mut(inputs)).zip(g.chunks_exact(units));
                for ((x, dx), g) in rows {
                    for (k, g) in g.iter().enumerate() {
                        let range = k * inputs..(k + 1) * inputs;
                        let weights = &self.parameters[*weight][range.clone()];
                        dx.iter_mut().zip(weights).for_each(|(d, w)| *d += g * w);
                        gradients[*weight][range].iter_mut().zip(x).for_each(|(d, x)| *d += g * x);
                        gradients[weight + 1][k] += g;
                    }
                }
                dx
            }
        };
        add(&mut by_tensor[node.input.0], dx);
    }
}

fn add(to: &mut Option<Vec<f64>>, gradient: Vec<f64>) {
    match to {
        Some(sum) => sum.iter_mut().zip(gradient).for_each(|(a, b)| *a += b),
        None => *to = Some(gradient),
    }
}

//! Multilayer perceptrons as in Cohen et al. 2021 (arXiv 2103.00065): the flattened image, hidden layers of 200 units with an
//! activation, a last layer. Weights and biases start as PyTorch's `Linear` does.

use super::graph::{GraphBuilder, Network};
use crate::ops::{Activation, Shape, cross_entropy::Loss};

/// An MLP of `layers` hidden layers of `units` units (200 as published) for images of shape `input`.
pub fn build(layers: u32, input: Shape, classes: u32, activation: Activation, units: u32) -> Network {
    let mut g = GraphBuilder::new(format!("mlp{layers}"), input, Loss::SoftmaxCrossEntropy);
    let mut x = g.flatten("flatten", g.input());
    for layer in 1..=layers {
        let y = g.dense(&format!("fc{layer}"), x, units);
        x = g.activation(&format!("act{layer}"), y, activation);
    }
    g.dense(&format!("fc{}", layers + 1), x, classes);
    g.finish()
}

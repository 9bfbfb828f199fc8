//! The network in which every ReLU is switched for all replicas as it is for the first one (`ops/gate.rs`).

use super::graph::{Network, Node, Operation, TensorId};
use crate::ops::Activation;

impl Network {
    /// Whether its gradient jumps where a ReLU switches.
    #[must_use]
    pub fn has_kinks(&self) -> bool {
        let is_kinked = |node: &Node| match &node.operation {
            Operation::BatchNorm { norm, .. } => norm.activation == Some(Activation::Relu),
            Operation::GroupNorm(norm) => norm.activation == Some(Activation::Relu),
            Operation::Bias(bias) => bias.activation == Some(Activation::Relu),
            Operation::Activation(activation) => *activation == Activation::Relu,
            _ => false,
        };
        self.nodes.iter().any(is_kinked)
    }

    /// This network with its ReLUs as nodes of their own that follow the first replica. For one replica it computes the same. It has the
    /// same parameters.
    #[must_use]
    pub fn gated(&self) -> Self {
        let mut gated = Self { nodes: Vec::new(), ..self.clone() };
        let is_relu = |activation: &mut Activation| *activation == Activation::Relu;
        for node in &self.nodes {
            let mut node = node.clone();
            let is_split = match &mut node.operation {
                Operation::BatchNorm { norm, .. } => norm.activation.take_if(is_relu).is_some(),
                Operation::GroupNorm(norm) => norm.activation.take_if(is_relu).is_some(),
                Operation::Bias(bias) => bias.activation.take_if(is_relu).is_some(),
                Operation::Activation(Activation::Relu) => {
                    node.operation = Operation::Gate;
                    false
                }
                _ => false,
            };
            if is_split {
                let output = node.outputs[0];
                let z = TensorId(gated.shapes.len());
                gated.shapes.push(gated.shapes[output.0]);
                node.outputs[0] = z;
                let name = format!("{} gate", node.name);
                gated.nodes.push(node);
                let (inputs, outputs) = (vec![z], vec![output]);
                gated.nodes.push(Node { name, operation: Operation::Gate, inputs, outputs, parameters: Vec::new() });
            } else {
                gated.nodes.push(node);
            }
        }
        gated
    }
}

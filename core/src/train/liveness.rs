//! How long the values of the forward pass are needed, and which of them the backward pass recomputes instead of keeping.

use crate::nets::{Network, Node, Operation, TensorId};

/// For each tensor of a network, the nodes that read it last.
pub struct Liveness {
    forward_end: Vec<Option<usize>>,
    backward_end: Vec<Option<usize>>,
    producer: Vec<Option<usize>>,
}

/// Tensors that a node's backward pass reads, besides the gradients.
pub fn backward_reads(node: &Node) -> &[TensorId] {
    match node.operation {
        Operation::GlobalAveragePool | Operation::Add => &[],
        _ => &node.inputs,
    }
}

impl Liveness {
    /// The liveness of tensors in a training step of `network`.
    pub fn new(network: &Network) -> Self {
        let tensors = network.shapes.len();
        let mut this =
            Self { forward_end: vec![None; tensors], backward_end: vec![None; tensors], producer: vec![None; tensors] };
        let mut readers = vec![0; tensors];
        for (i, node) in network.nodes.iter().enumerate() {
            for tensor in &node.inputs {
                readers[tensor.0] += 1;
                this.forward_end[tensor.0] = Some(i);
            }
            // The backward pass reaches the earliest node last.
            for tensor in backward_reads(node) {
                this.backward_end[tensor.0].get_or_insert(i);
            }
        }
        for (i, node) in network.nodes.iter().enumerate() {
            let is_norm = matches!(node.operation, Operation::BatchNorm { .. }) && node.shortcut().is_none();
            if is_norm && readers[node.output().0] == 1 {
                this.producer[node.output().0] = Some(i);
            }
        }
        this
    }

    /// The tensors whose last reader in a forward pass is node `i`. With `training`, tensors that are kept for the backward pass
    /// are left out.
    pub fn ends_forward(&self, i: usize, training: bool) -> Vec<TensorId> {
        let is_kept = |t: usize| training && self.backward_end[t].is_some() && self.producer[t].is_none();
        let ends = (0..self.forward_end.len()).filter(|t| self.forward_end[*t] == Some(i) && !is_kept(*t));
        ends.map(TensorId).collect()
    }

    /// The tensors whose last reader in the backward pass is node `i`.
    pub fn ends_backward(&self, i: usize) -> Vec<TensorId> {
        (0..self.backward_end.len()).filter(|t| self.backward_end[*t] == Some(i)).map(TensorId).collect()
    }

    /// The node by which the backward pass recomputes a tensor, if it does: a batch norm without a shortcut and with only one
    /// reader, whose input is kept or recomputed in turn. Block outputs have two readers and are kept.
    pub fn producer(&self, tensor: TensorId) -> Option<usize> {
        self.producer[tensor.0]
    }
}

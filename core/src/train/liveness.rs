//! How long the values of the forward pass are needed, and which of them the backward pass recomputes instead of keeping.

use crate::nets::{Network, Node, Operation, TensorId};

/// For each tensor of a network, the nodes that read it last.
pub struct Liveness {
    forward_end: Vec<Option<usize>>,
    backward_end: Vec<Option<usize>>,
    maker: Vec<Option<usize>>,
}

/// Tensors that a node's forward pass reads.
fn reads(node: &Node) -> impl Iterator<Item = TensorId> {
    let shortcut = match node.operation {
        Operation::BatchNorm { shortcut, .. } => shortcut,
        _ => None,
    };
    std::iter::once(node.input).chain(shortcut)
}

/// Tensors that a node's backward pass reads, besides the gradient.
pub fn backward_reads(node: &Node) -> impl Iterator<Item = TensorId> {
    let needs_none = matches!(node.operation, Operation::GlobalAveragePool);
    reads(node).filter(move |_| !needs_none)
}

impl Liveness {
    /// The liveness of tensors in a training step of `network`.
    pub fn new(network: &Network) -> Self {
        let tensors = network.shapes.len();
        let mut this =
            Self { forward_end: vec![None; tensors], backward_end: vec![None; tensors], maker: vec![None; tensors] };
        let mut readers = vec![0; tensors];
        for (i, node) in network.nodes.iter().enumerate() {
            for tensor in reads(node) {
                readers[tensor.0] += 1;
                this.forward_end[tensor.0] = Some(i);
            }
            // The backward pass reaches the earliest node last.
            for tensor in backward_reads(node) {
                this.backward_end[tensor.0].get_or_insert(i);
            }
        }
        for (i, node) in network.nodes.iter().enumerate() {
            if matches!(node.operation, Operation::BatchNorm { shortcut: None, .. }) && readers[node.output.0] == 1 {
                this.maker[node.output.0] = Some(i);
            }
        }
        this
    }

    /// The tensors whose last reader in a forward pass is node `i`. With `training`, tensors that are kept for the backward pass
    /// are left out.
    pub fn ends_forward(&self, i: usize, training: bool) -> impl Iterator<Item = usize> {
        let is_kept =
            move |tensor: usize| training && self.backward_end[tensor].is_some() && self.maker[tensor].is_none();
        (0..self.forward_end.len()).filter(move |t| self.forward_end[*t] == Some(i) && !is_kept(*t))
    }

    /// The tensors whose last reader in the backward pass is node `i`.
    pub fn ends_backward(&self, i: usize) -> impl Iterator<Item = usize> {
        (0..self.backward_end.len()).filter(move |t| self.backward_end[*t] == Some(i))
    }

    /// The node by which the backward pass recomputes a tensor, if it does: a batch norm without a shortcut and with only one
    /// reader, whose input is kept in any case. Block outputs have two readers and are kept.
    pub fn maker(&self, tensor: TensorId) -> Option<usize> {
        self.maker[tensor.0]
    }
}

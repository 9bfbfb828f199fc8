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
        Operation::GlobalAveragePool | Operation::Flatten(_) | Operation::Add => &[],
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
            let is_norm =
                matches!(node.operation, Operation::BatchNorm { .. } | Operation::GroupNorm(_) | Operation::Bias(_));
            if is_norm && node.shortcut().is_none() && readers[node.output().0] == 1 {
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

    /// The node by which the backward pass recomputes a tensor, if it does: a norm, or the bias in its place, without a shortcut and with only one
    /// reader, whose input is kept or recomputed in turn. Block outputs have two readers and are kept.
    pub fn producer(&self, tensor: TensorId) -> Option<usize> {
        self.producer[tensor.0]
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{BatchSizes, MemoryLimits, Plan, RecordingKind, Tuning};
    use super::*;
    use crate::nets::GraphBuilder;
    use crate::ops::{Activation, Shape, cross_entropy::Loss, sgd::Perturbation};

    const RELU: Activation = Activation::Relu;

    /// A network of one input channel and 8 x 8 pixels: the layers that `body` adds to a convolution of four channels, and a head.
    fn network(body: impl FnOnce(&mut GraphBuilder, TensorId) -> TensorId) -> Network {
        let mut g = GraphBuilder::new("net", Shape::new(1, 8, 8), Loss::SoftmaxCrossEntropy);
        let x = g.conv3x3("conv1", g.input(), 4);
        let x = body(&mut g, x);
        let x = g.global_average_pool(x);
        g.dense("fc", x, 2);
        g.finish()
    }

    fn chain() -> Network {
        network(|g, x| {
            let x = g.norm_act("bn1", x, RELU);
            let x = g.conv3x3("conv2", x, 4);
            g.norm_act("bn2", x, RELU)
        })
    }

    /// The convolution and the shortcut read the output of bn1.
    fn residual() -> Network {
        network(|g, x| {
            let x = g.norm_act("bn1", x, RELU);
            let y = g.conv3x3("conv2", x, 4);
            g.norm_add_act("bn2", y, x, RELU)
        })
    }

    fn downsampling() -> Network {
        network(|g, x| {
            let x = g.norm_act("bn1", x, RELU);
            let [y, s] = g.conv_down(["conv2", "projection"], x, 8);
            let s = g.norm("bn3", s);
            g.norm_add_act("bn2", y, s, RELU)
        })
    }

    /// One line for each node after which `ends` releases tensors. A tensor has the name of the layer that computes it, with a
    /// number if that layer computes several.
    fn lines(network: &Network, ends: impl Fn(usize) -> Vec<TensorId>) -> Vec<String> {
        let name = |tensor: TensorId| {
            let Some(node) = network.nodes.iter().find(|node| node.outputs.contains(&tensor)) else {
                return "batch".to_owned();
            };
            let position = node.outputs.iter().position(|output| *output == tensor).unwrap();
            if node.outputs.len() == 1 { node.name.clone() } else { format!("{}.{position}", node.name) }
        };
        let nodes = network.nodes.iter().enumerate();
        let released = nodes.map(|(i, node)| (node, ends(i).into_iter().map(name).collect::<Vec<_>>().join(" ")));
        released.filter(|(_, names)| !names.is_empty()).map(|(node, names)| format!("{}: {names}", node.name)).collect()
    }

    /// The lines of an evaluation, of the forward pass of a training step, and of its backward pass.
    fn releases(network: &Network) -> [Vec<String>; 3] {
        let liveness = Liveness::new(network);
        let mut backward = lines(network, |i| liveness.ends_backward(i));
        backward.reverse();
        [
            lines(network, |i| liveness.ends_forward(i, false)),
            lines(network, |i| liveness.ends_forward(i, true)),
            backward,
        ]
    }

    /// The layers whose output the backward pass recomputes.
    fn recomputed(network: &Network) -> Vec<&str> {
        let liveness = Liveness::new(network);
        let producers = (0..network.shapes.len()).filter_map(|tensor| liveness.producer(TensorId(tensor)));
        producers.map(|node| network.nodes[node].name.as_str()).collect()
    }

    #[test]
    fn a_chain_keeps_what_the_backward_pass_reads_and_cannot_recompute() {
        let network = chain();
        let [evaluation, forward, backward] = releases(&network);
        assert_eq!(
            evaluation,
            ["conv1: batch", "bn1: conv1", "conv2: bn1", "bn2: conv2", "avgpool: bn2", "fc: avgpool"]
        );
        assert_eq!(forward, ["conv2: bn1", "avgpool: bn2"]);
        // The pool's backward pass does not read its input, so bn2 is not in this list.
        assert_eq!(backward, ["fc: avgpool", "bn2: conv2", "conv2: bn1", "bn1: conv1", "conv1: batch"]);
        assert_eq!(recomputed(&network), ["bn1", "bn2"]);
    }

    #[test]
    fn a_tensor_with_two_readers_is_kept_until_its_first_reader_has_passed_back() {
        let network = residual();
        let [evaluation, forward, backward] = releases(&network);
        assert_eq!(evaluation, ["conv1: batch", "bn1: conv1", "bn2: bn1 conv2", "avgpool: bn2", "fc: avgpool"]);
        assert_eq!(forward, ["avgpool: bn2"]);
        assert_eq!(backward, ["fc: avgpool", "bn2: conv2", "conv2: bn1", "bn1: conv1", "conv1: batch"]);
        // Neither bn1, which has two readers, nor bn2, which would need the shortcut again.
        assert!(recomputed(&network).is_empty());
    }

    #[test]
    fn a_downsampling_block_recomputes_its_shortcut() {
        let network = downsampling();
        let [evaluation, forward, backward] = releases(&network);
        let last = ["bn2: conv2.0 bn3", "avgpool: bn2", "fc: avgpool"];
        assert_eq!(evaluation, [&["conv1: batch", "bn1: conv1", "conv2: bn1", "bn3: conv2.1"], &last[..]].concat());
        assert_eq!(forward, ["conv2: bn1", "bn2: bn3", "avgpool: bn2"]);
        let first = ["fc: avgpool", "bn2: conv2.0 bn3", "bn3: conv2.1"];
        assert_eq!(backward, [&first[..], &["conv2: bn1", "bn1: conv1", "conv1: batch"]].concat());
        assert_eq!(recomputed(&network), ["bn1", "bn3"]);
    }

    /// The planes that each layer writes, in the order of the dispatches: the numbers of their buffers among those of the shape.
    fn written(network: &Network, kind: RecordingKind) -> Vec<String> {
        let sizes = BatchSizes { train: vec![2], evaluate: vec![2] };
        let limits = MemoryLimits { binding: u64::MAX, total: None };
        let images = (&[[0.5, 0.25]][..], 0);
        let plan = Plan::new(network, 1, Perturbation::Divide, &sizes, images, &Tuning::default(), limits).unwrap();
        let mut layers: Vec<String> = Vec::new();
        for dispatch in plan.recording(kind).dispatches() {
            let accesses = dispatch.kernel.accesses();
            for (binding, access) in dispatch.bindings.iter().zip(accesses) {
                let label = &plan.table().spec(binding.buffer).label;
                if let (true, Some(planes)) = (access.writes(), label.strip_prefix("planes ")) {
                    layers.push(format!("{} -> {planes}", dispatch.label));
                }
            }
        }
        layers
    }

    #[test]
    fn a_chain_is_evaluated_in_two_buffers() {
        let expected = ["conv1 -> 4x8x8 0", "bn1 -> 4x8x8 1", "conv2 -> 4x8x8 0", "bn2 -> 4x8x8 1"];
        assert_eq!(written(&chain(), RecordingKind::Evaluate(0, 2)), expected);
    }

    #[test]
    fn a_training_step_reuses_the_buffers_of_what_it_does_not_keep() {
        // conv1 and conv2 are kept; bn1 and bn2 take turns.
        let forward = ["conv1 -> 4x8x8 0", "bn1 -> 4x8x8 1", "conv2 -> 4x8x8 2", "bn2 -> 4x8x8 1"];
        // A batch norm passes the gradient through its activation in place, then writes that of its input. Then the second
        // convolution's output is free, bn1 is computed again, and gradients alternate between the buffers that are left.
        let end = ["avgpool -> 4x8x8 1", "bn2 -> 4x8x8 1", "bn2 -> 4x8x8 3"];
        let start = ["bn1 -> 4x8x8 1", "conv2 -> 4x8x8 2", "bn1 -> 4x8x8 2", "bn1 -> 4x8x8 1"];
        assert_eq!(written(&chain(), RecordingKind::Train(0, 2)), [&forward[..], &end, &start].concat());
    }

    #[test]
    fn a_shortcut_needs_a_third_buffer() {
        let expected = ["conv1 -> 4x8x8 0", "bn1 -> 4x8x8 1", "conv2 -> 4x8x8 0", "bn2 -> 4x8x8 2"];
        assert_eq!(written(&residual(), RecordingKind::Evaluate(0, 2)), expected);
    }
}

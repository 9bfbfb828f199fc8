//! The walk over a graph: forward in the order of the nodes, backward in reverse. Recordings, the float64 trainer and the tests'
//! reference each compute single nodes; this walk calls them in order and passes values and gradients between nodes.

use super::graph::{Network, Node, TensorId};

/// An optional value for each tensor of a graph.
pub struct Tensors<T> {
    values: Vec<Option<T>>,
}

impl<T> Tensors<T> {
    /// No value for any tensor of `network`.
    #[must_use]
    pub fn none(network: &Network) -> Self {
        Self { values: network.shapes.iter().map(|_| None).collect() }
    }

    /// The value of a tensor.
    ///
    /// # Panics
    /// If the tensor has no value: it is read before it is written or after its last use.
    #[must_use]
    pub fn at(&self, tensor: TensorId) -> &T {
        self.get(tensor).unwrap_or_else(|| panic!("tensor {} has no value here", tensor.0))
    }

    /// The value of a tensor, if there is one.
    #[must_use]
    pub fn get(&self, tensor: TensorId) -> Option<&T> {
        self.values[tensor.0].as_ref()
    }

    /// Removes and returns the value of a tensor, if there is one.
    pub fn take(&mut self, tensor: TensorId) -> Option<T> {
        self.values[tensor.0].take()
    }

    /// Sets the value of a tensor.
    pub fn set(&mut self, tensor: TensorId, value: T) {
        self.values[tensor.0] = Some(value);
    }
}

/// Computes the forward pass of single nodes.
pub trait Forward {
    /// Represents the values of a tensor, or a gradient with respect to it.
    type Value;

    /// Computes the outputs of a node, in the order of [`Node::outputs`].
    fn forward(&mut self, node: &Node, values: &Tensors<Self::Value>) -> Vec<Self::Value>;

    /// Called after node `index`, to release values that are not read again.
    fn after_forward(&mut self, _index: usize, _values: &mut Tensors<Self::Value>) {}
}

/// Computes the backward pass of single nodes as well.
pub trait Backward: Forward {
    /// Computes the gradients with respect to a node's inputs from `gradients`, those with respect to its outputs, and adds each to
    /// `sums` with [`Backward::accumulate`]. What [`Network::needs_gradient`] excludes needs none.
    fn backward(
        &mut self,
        node: &Node,
        values: &Tensors<Self::Value>,
        gradients: Vec<Self::Value>,
        sums: &mut Tensors<Self::Value>,
    );

    /// The elementwise sum of two gradients with respect to `tensor`. The second one comes from the node named `label`.
    fn add(&mut self, label: &str, tensor: TensorId, terms: [Self::Value; 2]) -> Self::Value;

    /// Adds a node's gradient with respect to its input number `input` to the gradients from later nodes.
    fn accumulate(&mut self, node: &Node, input: usize, gradient: Self::Value, sums: &mut Tensors<Self::Value>) {
        let tensor = node.inputs[input];
        let sum = match sums.take(tensor) {
            Some(sum) => self.add(&node.name, tensor, [sum, gradient]),
            None => gradient,
        };
        sums.set(tensor, sum);
    }

    /// Called before the backward pass of node `index`, to restore values that it reads.
    fn before_backward(&mut self, _index: usize, _values: &mut Tensors<Self::Value>) {}

    /// Called after the backward pass of node `index`, to release values that are not read again.
    fn after_backward(&mut self, _index: usize, _values: &mut Tensors<Self::Value>) {}
}

impl Network {
    /// Runs the forward pass of `engine` on a batch. Returns the values that `engine` did not release.
    pub fn forward<E: Forward>(&self, engine: &mut E, batch: E::Value) -> Tensors<E::Value> {
        let mut values = Tensors::none(self);
        values.set(TensorId(0), batch);
        for (index, node) in self.nodes.iter().enumerate() {
            let outputs = engine.forward(node, &values);
            assert_eq!(outputs.len(), node.outputs.len(), "outputs of {}", node.name);
            node.outputs.iter().zip(outputs).for_each(|(tensor, value)| values.set(*tensor, value));
            engine.after_forward(index, &mut values);
        }
        values
    }

    /// Runs the backward pass of `engine` from the gradient with respect to the logits. `engine` keeps the gradients of parameters.
    ///
    /// # Panics
    /// If no node reads an output.
    pub fn backward<E: Backward>(&self, engine: &mut E, mut values: Tensors<E::Value>, logits: E::Value) {
        let mut sums = Tensors::none(self);
        sums.set(self.logits(), logits);
        for (index, node) in self.nodes.iter().enumerate().rev() {
            // What only the batch flows into has no parameter to learn.
            if self.needs_gradient(node.output()) {
                let gradient = |tensor: &TensorId| {
                    sums.take(*tensor).unwrap_or_else(|| panic!("no node reads an output of {}", node.name))
                };
                let gradients = node.outputs.iter().map(gradient).collect();
                engine.before_backward(index, &mut values);
                engine.backward(node, &values, gradients, &mut sums);
            }
            engine.after_backward(index, &mut values);
        }
    }
}

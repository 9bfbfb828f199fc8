//! The walk over a graph: forward in the order of the nodes, backward in reverse. Whatever computes a network (recordings,
//! float64, the autograd of the tests) computes one node at a time and leaves order and routing to this walk.

use super::graph::{Network, Node, TensorId};

/// A value, or nothing, for each tensor of a graph.
pub struct Tensors<T> {
    values: Vec<Option<T>>,
}

impl<T> Tensors<T> {
    /// Nothing for any tensor of `network`.
    #[must_use]
    pub fn none(network: &Network) -> Self {
        Self { values: network.shapes.iter().map(|_| None).collect() }
    }

    /// The value of a tensor.
    ///
    /// # Panics
    /// If there is none: the tensor is read before it is written or after its last use.
    #[must_use]
    pub fn at(&self, tensor: TensorId) -> &T {
        self.get(tensor).unwrap_or_else(|| panic!("tensor {} has no value here", tensor.0))
    }

    /// The value of a tensor, if there is one.
    #[must_use]
    pub fn get(&self, tensor: TensorId) -> Option<&T> {
        self.values[tensor.0].as_ref()
    }

    /// Takes the value of a tensor out, if there is one.
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
    /// What stands for the values of a tensor.
    type Value;

    /// The outputs of a node, in the order of [`Node::outputs`].
    fn forward(&mut self, node: &Node, values: &Tensors<Self::Value>) -> Vec<Self::Value>;

    /// Called after node `index`, to release what is not read again.
    fn after_forward(&mut self, _index: usize, _values: &mut Tensors<Self::Value>) {}
}

/// Computes the backward pass of single nodes as well.
pub trait Backward: Forward {
    /// The gradients by the inputs of a node from `gradients`, those by its outputs. They go to `sums` by
    /// [`Backward::accumulate`]. The batch, tensor 0, needs none.
    fn backward(
        &mut self,
        node: &Node,
        values: &Tensors<Self::Value>,
        gradients: Vec<Self::Value>,
        sums: &mut Tensors<Self::Value>,
    );

    /// The elementwise sum of two gradients by `tensor`, the second one from the node `label`.
    fn add(&mut self, label: &str, tensor: TensorId, terms: [Self::Value; 2]) -> Self::Value;

    /// Adds a node's gradient by its input number `input` to what later nodes gave.
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

    /// Called after the backward pass of node `index`, to release what is not read again.
    fn after_backward(&mut self, _index: usize, _values: &mut Tensors<Self::Value>) {}
}

impl Network {
    /// The values of the network's tensors for a batch, as far as `engine` does not release them.
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

    /// Takes the gradient by the logits back through the network. `engine` keeps the gradients by parameters.
    ///
    /// # Panics
    /// If an output of a node is not used.
    pub fn backward<E: Backward>(&self, engine: &mut E, mut values: Tensors<E::Value>, logits: E::Value) {
        let mut sums = Tensors::none(self);
        sums.set(self.logits(), logits);
        for (index, node) in self.nodes.iter().enumerate().rev() {
            let gradient =
                |tensor: &TensorId| sums.take(*tensor).unwrap_or_else(|| panic!("{} is not used", node.name));
            let gradients = node.outputs.iter().map(gradient).collect();
            engine.before_backward(index, &mut values);
            engine.backward(node, &values, gradients, &mut sums);
            engine.after_backward(index, &mut values);
        }
    }
}

//! A bias for each channel, fused with the shortcut's addition and the activation after it: what remains of a norm in a network without
//! norms. The kernels of batch norm compute it, exactly, with mean 0 and deviation and scale 1.

use super::batch_norm::BatchNorm;
use super::{Activation, Shape, workgroups};
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// A layer of biases.
#[derive(Clone, Copy, Debug)]
pub struct Bias {
    /// Shape of input and output.
    pub shape: Shape,
    /// The activation after the addition, if any.
    pub activation: Option<Activation>,
    /// True if a shortcut is added before the activation.
    pub shortcut: bool,
}

/// The tensors of [`Bias::backward`].
#[derive(Clone, Copy, Debug)]
pub struct Backward {
    /// The layer's input, planes.
    pub y: Binding,
    /// Coefficients from the forward pass, `[R][C]` x 4 floats.
    pub coefficients: Binding,
    /// The shortcut that was added, planes; `y` if there is none.
    pub shortcut: Binding,
    /// Planes. In: gradient by the output. Out: gradient by the input, which is also the gradient by the shortcut.
    pub g: Binding,
    /// Scratch of [`Bias::leaves`] x 2 floats for each replica.
    pub leaves: Binding,
    /// The gradient arena from the bias to its end.
    pub gradient: Binding,
}

impl Bias {
    /// The batch norm whose kernels compute this layer.
    #[must_use]
    pub fn norm(&self) -> BatchNorm {
        BatchNorm { shape: self.shape, activation: self.activation, shortcut: self.shortcut }
    }

    /// Number of leaves of one replica, each a pair of floats.
    #[must_use]
    pub fn leaves(&self, samples: u32) -> u64 {
        self.norm().leaves(samples)
    }

    /// Computes `coefficients` (`[R][C]` x 4 floats) for [`BatchNorm::apply`]. The binding of the bias extends to the end of the arena.
    pub fn coefficients(&self, rec: &mut Recording, label: &str, bias: Binding, coefficients: Binding) {
        let c = u64::from(self.shape.channels);
        let kernel = Kernel::new(Shader::BiasCoefficients, &[("C", self.shape.channels.into())]);
        rec.dispatch(label, kernel, &[bias, coefficients], workgroups(c), Work::new(0, c * 20));
    }

    /// The backward pass. It takes `g` through the activation in place, and writes the gradient by the bias.
    pub fn backward(&self, rec: &mut Recording, label: &str, tensors: Backward) {
        let Backward { y, coefficients, shortcut, g, leaves, gradient } = tensors;
        self.norm().reduce(rec, label, [y, coefficients, shortcut, g, leaves]);
        let kernel = self.norm().kernel(Shader::BiasGradient);
        let threads = self.leaves(rec.job.samples);
        rec.dispatch(label, kernel, &[leaves, gradient], self.shape.channels, Work::new(threads, threads * 8));
    }
}

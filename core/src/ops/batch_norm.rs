//! Batch normalisation, fused with the activation after it and, at the end of a residual block, with the addition of
//! the shortcut. PyTorch's conventions: eps 1e-5, momentum 0.1, biased variance in the normalisation, unbiased variance in the
//! running statistics.

use super::{Activation, Shape, activation, workgroups};
use crate::record::{Binding, Constant, Kernel, Recording, Shader, Work};

/// Eps, which is added to the variance.
pub const EPSILON: f32 = 1e-5;
/// Weight of a new batch in the running statistics.
pub const MOMENTUM: f32 = 0.1;
/// Images in a leaf of the statistics: part of the order of summation (docs/ORDER.md).
const LEAF_IMAGES: u32 = 32;
/// Rows per thread in the elementwise kernels.
pub(super) const ROWS: u32 = 4;

/// A batch-norm layer.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    /// Shape of input and output.
    pub shape: Shape,
    /// The activation after the normalisation, if any.
    pub activation: Option<Activation>,
    /// True if a shortcut is added before the activation.
    pub shortcut: bool,
}

/// The layer's parameters and running statistics. Each binding starts at its tensor and extends to the end of the arena.
#[derive(Clone, Copy, Debug)]
pub struct ChannelBindings {
    /// Scale (gamma) in the parameter arena.
    pub scale: Binding,
    /// Shift (beta) in the parameter arena.
    pub shift: Binding,
    /// Running mean and variance in the statistics arena, in one binding because two writable bindings may not overlap.
    pub running: Binding,
    /// Distance from the running mean to the running variance in elements.
    pub mean_to_variance: u32,
}

impl BatchNorm {
    /// Number of leaves of one replica, each a pair of floats.
    #[must_use]
    pub fn leaves(&self, samples: u32) -> u64 {
        u64::from(self.shape.channels) * self.leaves_of_channel(samples)
    }

    fn leaves_of_channel(&self, samples: u32) -> u64 {
        u64::from(self.shape.height * self.shape.quads()) * u64::from(samples.div_ceil(LEAF_IMAGES))
    }

    pub(super) fn kernel(&self, shader: Shader) -> Kernel {
        let mut all: Vec<(&str, Constant)> = vec![
            ("C", self.shape.channels.into()),
            ("HEIGHT", self.shape.height.into()),
            ("WIDTH", self.shape.width.into()),
            ("ROW", self.shape.row().into()),
            ("PLANE", self.shape.plane().into()),
        ];
        // Only constants that the shader uses, so that equal kernels have equal text.
        let has = |shaders: &[Shader]| shaders.contains(&shader);
        if has(&[Shader::BnApply, Shader::BnBackwardApply]) {
            all.push(("ROWS", ROWS.into()));
        } else {
            all.push(("IMAGES", LEAF_IMAGES.into()));
        }
        if has(&[Shader::BnFinalize]) {
            all.extend([("EPSILON", EPSILON.into()), ("MOMENTUM", MOMENTUM.into())]);
        }
        if has(&[Shader::BnApply, Shader::BnBackwardReduce]) {
            all.push(("SHORTCUT", self.shortcut.into()));
            all.extend(activation::constants(self.activation));
        }
        Kernel::new(shader, &all)
    }

    fn elements(&self, rec: &Recording) -> u64 {
        u64::from(rec.job.samples) * self.shape.elements()
    }

    fn element_tiles(&self, rec: &Recording) -> u32 {
        let strips = self.shape.height.div_ceil(ROWS) * self.shape.quads() * self.shape.channels;
        workgroups(u64::from(rec.job.samples) * u64::from(strips))
    }

    /// Computes `coefficients` (`[R][C]` x 4 floats) from the batch statistics of `y`, and updates the running statistics.
    pub fn statistics(
        &self,
        rec: &mut Recording,
        label: &str,
        y: Binding,
        leaves: Binding,
        channels: ChannelBindings,
        coefficients: Binding,
    ) {
        let threads = self.leaves(rec.job.samples);
        let elements = self.elements(rec);
        let statistics = self.kernel(Shader::BnStatistics);
        rec.dispatch(label, statistics, &[y, leaves], workgroups(threads), Work::new(elements * 4, elements * 4));
        let ChannelBindings { scale, shift, running, mean_to_variance } = channels;
        let bindings = [leaves, scale, shift, running, coefficients];
        let finalize = self.kernel(Shader::BnFinalize);
        let work = Work::new(threads * 12, threads * 8);
        rec.dispatch_with(label, finalize, &bindings, self.shape.channels, work, &[mean_to_variance]);
    }

    /// Computes `coefficients` from the running statistics, for evaluation.
    pub fn running(&self, rec: &mut Recording, label: &str, channels: ChannelBindings, coefficients: Binding) {
        let c = u64::from(self.shape.channels);
        let ChannelBindings { scale, shift, running, mean_to_variance } = channels;
        let bindings = [scale, shift, running, coefficients];
        let kernel = Kernel::new(Shader::BnRunning, &[("C", self.shape.channels.into()), ("EPSILON", EPSILON.into())]);
        rec.dispatch_with(label, kernel, &bindings, workgroups(c), Work::new(c * 4, c * 32), &[mean_to_variance]);
    }

    /// Computes `a = activation(batch_norm(y) + shortcut)`. Without a shortcut, pass `y` as `shortcut`.
    pub fn apply(
        &self,
        rec: &mut Recording,
        label: &str,
        y: Binding,
        coefficients: Binding,
        shortcut: Binding,
        a: Binding,
    ) {
        self.apply_with(rec, label, false, [y, coefficients, shortcut, a]);
    }

    /// [`BatchNorm::apply`], with coefficients of each sample and channel if `per_sample`.
    pub(super) fn apply_with(&self, rec: &mut Recording, label: &str, per_sample: bool, bindings: [Binding; 4]) {
        let elements = self.elements(rec);
        let tensors = if self.shortcut { 3 } else { 2 };
        let kernel = self.kernel(Shader::BnApply).with("PER_SAMPLE", per_sample.into());
        let work = Work::new(elements * 6, elements * 4 * tensors);
        rec.dispatch(label, kernel, &bindings, self.element_tiles(rec), work);
    }

    /// Takes `g` through the activation in place and sums it in leaves, on `[y, coefficients, shortcut, g, leaves]`.
    pub(super) fn reduce(&self, rec: &mut Recording, label: &str, bindings: [Binding; 5]) {
        let (threads, elements) = (self.leaves(rec.job.samples), self.elements(rec));
        let kernel = self.kernel(Shader::BnBackwardReduce);
        rec.dispatch(label, kernel, &bindings, workgroups(threads), Work::new(elements * 10, elements * 12));
    }

    /// The backward pass. It takes `g`, the gradient by `a`, through the activation in place, and writes the gradients by
    /// scale and shift to the arena at `scale_gradient` and the gradient by `y` to `dy`.
    pub fn backward(&self, rec: &mut Recording, label: &str, tensors: Backward) {
        let Backward { y, coefficients, shortcut, g, leaves, scale_gradient, scale_to_shift, means, dy } = tensors;
        let threads = self.leaves(rec.job.samples);
        let elements = self.elements(rec);
        self.reduce(rec, label, [y, coefficients, shortcut, g, leaves]);
        let finalize = self.kernel(Shader::BnBackwardFinalize);
        let bindings = [leaves, scale_gradient, means];
        let work = Work::new(threads * 2, threads * 8);
        rec.dispatch_with(label, finalize, &bindings, self.shape.channels, work, &[scale_to_shift]);
        let apply = self.kernel(Shader::BnBackwardApply);
        let bindings = [y, g, coefficients, means, dy];
        let work = Work::new(elements * 6, elements * 12);
        rec.dispatch(label, apply, &bindings, self.element_tiles(rec), work);
    }
}

/// The tensors of [`BatchNorm::backward`].
#[derive(Clone, Copy, Debug)]
pub struct Backward {
    /// The layer's input, planes.
    pub y: Binding,
    /// Coefficients from the forward pass, `[R][C]` x 4 floats.
    pub coefficients: Binding,
    /// The shortcut that was added, planes; `y` if there is none.
    pub shortcut: Binding,
    /// Planes. In: gradient by the output. Out: gradient by the pre-activation, which is also the gradient by the shortcut.
    pub g: Binding,
    /// Scratch of [`BatchNorm::leaves`] x 2 floats for each replica.
    pub leaves: Binding,
    /// The gradient arena from the scale to its end.
    pub scale_gradient: Binding,
    /// Distance from the scale to the shift in the arena, in elements.
    pub scale_to_shift: u32,
    /// Scratch of `[R][C]` x 2 floats.
    pub means: Binding,
    /// Gradient by the input, planes.
    pub dy: Binding,
}

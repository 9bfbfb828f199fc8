//! Batch normalisation fused with the activation after it and, at the end of a residual block, with the addition of
//! the shortcut. PyTorch's conventions: eps 1e-5, momentum 0.1, biased variance to normalise, unbiased to remember.

use super::{Activation, Shape, activation, workgroups};
use crate::record::{Binding, Constant, Kernel, Recording, Shader, Work};

/// Added to the variance.
pub const EPSILON: f32 = 1e-5;
/// Share of a new batch in the running statistics.
pub const MOMENTUM: f32 = 0.1;
/// Images in a leaf of the statistics: part of the order of summation (docs/ORDER.md).
const LEAF_IMAGES: u32 = 32;
/// Rows that a thread of the elementwise kernels does.
const ROWS: u32 = 4;

/// A batch-norm layer.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    /// Shape of input and output.
    pub shape: Shape,
    /// What follows, if anything.
    pub activation: Option<Activation>,
    /// Whether a shortcut is added before the activation.
    pub shortcut: bool,
}

/// The layer's learned and remembered tensors, each bound from its place in the arena on.
#[derive(Clone, Copy, Debug)]
pub struct Channels {
    /// Scale (gamma) in the parameter arena.
    pub scale: Binding,
    /// Shift (beta) in the parameter arena.
    pub shift: Binding,
    /// Running mean in the statistics arena. One binding: two writable ones may not overlap.
    pub running: Binding,
    /// Elements from the running mean to the running variance.
    pub mean_to_variance: u32,
}

impl BatchNorm {
    /// Pairs of floats in the leaves buffer of one replica.
    #[must_use]
    pub fn leaves(&self, samples: u32) -> u64 {
        u64::from(self.shape.channels) * self.leaves_of_channel(samples)
    }

    fn leaves_of_channel(&self, samples: u32) -> u64 {
        u64::from(self.shape.height * self.shape.quads()) * u64::from(samples.div_ceil(LEAF_IMAGES))
    }

    fn kernel(&self, shader: Shader) -> Kernel {
        let mut all: Vec<(&str, Constant)> = vec![
            ("C", self.shape.channels.into()),
            ("HEIGHT", self.shape.height.into()),
            ("WIDTH", self.shape.width.into()),
            ("ROW", self.shape.row().into()),
            ("PLANE", self.shape.plane().into()),
        ];
        // Only what the shader mentions, so that equal kernels have equal text.
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

    /// Batch statistics of `y` into `coefficients` (`[R][C]` x 4 floats), moving the running statistics.
    pub fn statistics(
        &self,
        rec: &mut Recording,
        label: &str,
        y: Binding,
        leaves: Binding,
        channels: Channels,
        coefficients: Binding,
    ) {
        let threads = self.leaves(rec.job.samples);
        let elements = self.elements(rec);
        let statistics = self.kernel(Shader::BnStatistics);
        rec.dispatch(label, statistics, &[y, leaves], workgroups(threads), Work::new(elements * 4, elements * 4));
        let Channels { scale, shift, running, mean_to_variance } = channels;
        let bindings = [leaves, scale, shift, running, coefficients];
        let finalize = self.kernel(Shader::BnFinalize);
        let work = Work::new(threads * 12, threads * 8);
        rec.dispatch_with(label, finalize, &bindings, self.shape.channels, work, &[mean_to_variance]);
    }

    /// For evaluation: `coefficients` from the running statistics.
    pub fn running(&self, rec: &mut Recording, label: &str, channels: Channels, coefficients: Binding) {
        let c = u64::from(self.shape.channels);
        let Channels { scale, shift, running, mean_to_variance } = channels;
        let bindings = [scale, shift, running, coefficients];
        let kernel = Kernel::new(Shader::BnRunning, &[("C", self.shape.channels.into()), ("EPSILON", EPSILON.into())]);
        rec.dispatch_with(label, kernel, &bindings, workgroups(c), Work::new(c * 4, c * 32), &[mean_to_variance]);
    }

    /// `a = activation(batch_norm(y) + shortcut)`. Without a shortcut, pass `y` for it.
    pub fn apply(
        &self,
        rec: &mut Recording,
        label: &str,
        y: Binding,
        coefficients: Binding,
        shortcut: Binding,
        a: Binding,
    ) {
        let elements = self.elements(rec);
        let tensors = if self.shortcut { 3 } else { 2 };
        let kernel = self.kernel(Shader::BnApply);
        let work = Work::new(elements * 6, elements * 4 * tensors);
        rec.dispatch(label, kernel, &[y, coefficients, shortcut, a], self.element_tiles(rec), work);
    }

    /// Backward: `g` (the gradient by `a`) goes through the activation in place, gradients of scale and shift go to the
    /// arena from `scale_gradient` on, the gradient by `y` to `dy`. `means` is scratch of `[R][C]` x 2 floats.
    pub fn backward(&self, rec: &mut Recording, label: &str, tensors: Backward) {
        let Backward { y, coefficients, shortcut, g, leaves, scale_gradient, scale_to_shift, means, dy } = tensors;
        let threads = self.leaves(rec.job.samples);
        let elements = self.elements(rec);
        let reduce = self.kernel(Shader::BnBackwardReduce);
        let bindings = [y, coefficients, shortcut, g, leaves];
        rec.dispatch(label, reduce, &bindings, workgroups(threads), Work::new(elements * 10, elements * 12));
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

/// What [`BatchNorm::backward`] reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Backward {
    /// Planes, the layer's input.
    pub y: Binding,
    /// `[R][C]` x 4 floats, of the forward pass.
    pub coefficients: Binding,
    /// Planes, the shortcut that was added; `y` where there is none.
    pub shortcut: Binding,
    /// Planes: gradient by the output in, gradient by the pre-activation (and so by the shortcut) out.
    pub g: Binding,
    /// Scratch.
    pub leaves: Binding,
    /// Gradient arena from the scale on.
    pub scale_gradient: Binding,
    /// Elements from the scale to the shift in the arena.
    pub scale_to_shift: u32,
    /// Scratch of `[R][C]` x 2 floats.
    pub means: Binding,
    /// Planes: gradient by the input.
    pub dy: Binding,
}

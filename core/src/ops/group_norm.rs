//! Group norm (Wu & He 2018), fused with the activation after it and the addition of a shortcut, as batch norm. Each sample has its own
//! statistics, in training and in evaluation; the eps is that of batch norm.

use super::batch_norm::{BatchNorm, EPSILON, ROWS};
use super::{Activation, Shape, activation, workgroups};
use crate::record::{Binding, Constant, Kernel, Recording, Shader, Work};

/// Most channels of a group.
const GROUP: u32 = 8;

/// A group-norm layer.
#[derive(Clone, Copy, Debug)]
pub struct GroupNorm {
    /// Shape of input and output.
    pub shape: Shape,
    /// The activation after the normalisation, if any.
    pub activation: Option<Activation>,
    /// True if a shortcut is added before the activation.
    pub shortcut: bool,
}

/// The tensors of [`GroupNorm::backward`].
#[derive(Clone, Copy, Debug)]
pub struct Backward {
    /// The layer's input, planes.
    pub y: Binding,
    /// Coefficients from the forward pass, `[R][N][C]` x 4 floats.
    pub coefficients: Binding,
    /// The shortcut that was added, planes; `y` if there is none.
    pub shortcut: Binding,
    /// Planes. In: gradient by the output. Out: gradient by the pre-activation, which is also the gradient by the shortcut.
    pub g: Binding,
    /// Scratch of `[R][N][C]` x 2 floats.
    pub sums: Binding,
    /// Scale (gamma) in the parameter arena, to its end.
    pub scale: Binding,
    /// The gradient arena from the scale to its end.
    pub scale_gradient: Binding,
    /// Distance from the scale to the shift in the arena, in elements.
    pub scale_to_shift: u32,
    /// Scratch of `[R][N][groups]` x 2 floats.
    pub means: Binding,
    /// Gradient by the input, planes.
    pub dy: Binding,
}

impl GroupNorm {
    /// Channels of a group: the largest divisor of the channels up to 8.
    #[must_use]
    pub fn group(&self) -> u32 {
        let divides = |group: &u32| self.shape.channels.is_multiple_of(*group);
        (1..=GROUP).rev().find(divides).unwrap_or(1)
    }

    /// Groups of a sample.
    #[must_use]
    pub fn groups(&self) -> u32 {
        self.shape.channels / self.group()
    }

    fn kernel(&self, shader: Shader) -> Kernel {
        let mut all: Vec<(&str, Constant)> = vec![
            ("C", self.shape.channels.into()),
            ("HEIGHT", self.shape.height.into()),
            ("WIDTH", self.shape.width.into()),
        ];
        // Only constants that the shader uses, so that equal kernels have equal text.
        let has = |shaders: &[Shader]| shaders.contains(&shader);
        if !has(&[Shader::GnBackwardFinalize]) {
            all.extend([("ROW", self.shape.row().into()), ("PLANE", self.shape.plane().into())]);
        }
        if !has(&[Shader::GnBackwardReduce]) {
            all.push(("GROUP", self.group().into()));
        }
        if has(&[Shader::GnBackwardApply]) {
            all.push(("ROWS", ROWS.into()));
        }
        if has(&[Shader::GnStatistics, Shader::GnBackwardReduce]) {
            all.push(("IMAGES", 1.into()));
        }
        if has(&[Shader::GnStatistics]) {
            all.push(("EPSILON", EPSILON.into()));
        }
        if has(&[Shader::GnBackwardReduce]) {
            all.push(("SHORTCUT", self.shortcut.into()));
            all.extend(activation::constants(self.activation));
        }
        Kernel::new(shader, &all)
    }

    fn elements(&self, rec: &Recording) -> u64 {
        u64::from(rec.job.samples) * self.shape.elements()
    }

    /// Computes the coefficients (`[R][N][C]` x 4 floats) of y, on `[y, scale, shift, coefficients]`. The bindings of scale and shift extend to the end of the arena.
    pub fn statistics(&self, rec: &mut Recording, label: &str, bindings: [Binding; 4]) {
        let elements = self.elements(rec);
        let kernel = self.kernel(Shader::GnStatistics);
        let tiles = rec.job.samples * self.groups();
        rec.dispatch(label, kernel, &bindings, tiles, Work::new(elements * 4, elements * 4));
    }

    /// Computes `a = activation(group_norm(y) + shortcut)` on `[y, coefficients, shortcut, a]`. Without a shortcut, pass `y` as `shortcut`.
    pub fn apply(&self, rec: &mut Recording, label: &str, bindings: [Binding; 4]) {
        let Self { shape, activation, shortcut } = *self;
        BatchNorm { shape, activation, shortcut }.apply_with(rec, label, true, bindings);
    }

    /// The backward pass. It takes `g`, the gradient by `a`, through the activation in place, and writes the gradients by
    /// scale and shift to the arena at `scale_gradient` and the gradient by `y` to `dy`.
    pub fn backward(&self, rec: &mut Recording, label: &str, tensors: Backward) {
        let Backward { y, coefficients, shortcut, g, sums, scale, scale_gradient, scale_to_shift, means, dy } = tensors;
        let (samples, elements) = (rec.job.samples, self.elements(rec));
        let planes = samples * self.shape.channels;
        let reduce = self.kernel(Shader::GnBackwardReduce);
        let bindings = [y, coefficients, shortcut, g, sums];
        rec.dispatch(label, reduce, &bindings, planes, Work::new(elements * 10, elements * 12));
        let finalize = self.kernel(Shader::GnBackwardFinalize);
        let threads = u64::from(samples * self.groups() + self.shape.channels);
        let work = Work::new(u64::from(planes) * 6, u64::from(planes) * 16);
        let bindings = [sums, scale, scale_gradient, means];
        rec.dispatch_with(label, finalize, &bindings, workgroups(threads), work, &[scale_to_shift]);
        let apply = self.kernel(Shader::GnBackwardApply);
        let strips = self.shape.height.div_ceil(ROWS) * self.shape.quads() * self.shape.channels;
        let tiles = workgroups(u64::from(samples) * u64::from(strips));
        rec.dispatch(label, apply, &[y, g, coefficients, means, dy], tiles, Work::new(elements * 6, elements * 12));
    }
}

//! Planes as features, in the order of PyTorch's `flatten`: channel, row, column.

use super::{Shape, workgroups};
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// A flattening.
#[derive(Clone, Copy, Debug)]
pub struct Flatten {
    /// C, H, W of the input.
    pub input: Shape,
    /// True if the input is the batch, which all replicas share: they share the features, too.
    pub shared_input: bool,
}

impl Flatten {
    /// C H W features.
    #[must_use]
    pub fn output(&self) -> Shape {
        Shape::new(self.input.channels * self.input.height * self.input.width, 1, 1)
    }

    fn kernel(&self, shader: Shader) -> Kernel {
        Kernel::new(
            shader,
            &[
                ("C", self.input.channels.into()),
                ("HEIGHT", self.input.height.into()),
                ("WIDTH", self.input.width.into()),
                ("ROW", self.input.row().into()),
                ("PLANE", self.input.plane().into()),
            ],
        )
    }

    /// Appends `features[n][(c H + h) W + w] = x[n][c][h][w]`.
    pub fn forward(&self, rec: &mut Recording, label: &str, x: Binding, features: Binding) {
        let elements = u64::from(rec.job.samples) * self.input.elements();
        let work = Work { shared: self.shared_input, ..Work::new(0, elements * 8) };
        let kernel = self.kernel(Shader::FlattenForward);
        rec.dispatch(label, kernel, &[x, features], workgroups(elements), work);
    }

    /// Appends `g[n][c][h][w] = dfeatures[n][(c H + h) W + w]`.
    pub fn backward(&self, rec: &mut Recording, label: &str, dfeatures: Binding, g: Binding) {
        let samples = u64::from(rec.job.samples);
        let threads = samples * u64::from(self.input.channels * self.input.height * self.input.quads());
        let work = Work::new(0, samples * self.input.elements() * 8);
        rec.dispatch(label, self.kernel(Shader::FlattenBackward), &[dfeatures, g], workgroups(threads), work);
    }
}

//! 2x2 max pool with stride 2. A tie goes to the first pixel in row order.

use super::{Shape, workgroups};
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// A max-pool layer.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool {
    /// C, H, W of the input; H and W are even.
    pub input: Shape,
}

impl MaxPool {
    /// Shape of the output: C, H / 2, W / 2.
    #[must_use]
    pub fn output(&self) -> Shape {
        Shape::new(self.input.channels, self.input.height / 2, self.input.width / 2)
    }

    /// Appends `y[n][c][h][w]` = the largest of the four pixels of `x` at 2h, 2w.
    pub fn forward(&self, rec: &mut Recording, label: &str, x: Binding, y: Binding) {
        self.launch(rec, label, Shader::MaxPoolForward, self.output().quads(), &[x, y]);
    }

    /// Appends `dx`: each gradient in `dy` goes to the pixel that was largest in `x`; the other pixels are zero.
    pub fn backward(&self, rec: &mut Recording, label: &str, [x, dy, dx]: [Binding; 3]) {
        self.launch(rec, label, Shader::MaxPoolBackward, self.input.quads(), &[x, dy, dx]);
    }

    /// Each thread computes a vector of four columns; a written row has `quads` of them.
    fn launch(&self, rec: &mut Recording, label: &str, shader: Shader, quads: u32, bindings: &[Binding]) {
        let (input, output) = (self.input, self.output());
        let kernel = Kernel::new(
            shader,
            &[
                ("C", output.channels.into()),
                ("HEIGHT", output.height.into()),
                ("WIDTH", output.width.into()),
                ("X_ROW", input.row().into()),
                ("X_PLANE", input.plane().into()),
                ("Y_ROW", output.row().into()),
                ("Y_PLANE", output.plane().into()),
            ],
        );
        let samples = u64::from(rec.job.samples);
        let threads = samples * u64::from(output.channels * output.height * quads);
        // Every binding is read or written once: one of them has the output's size, the others the input's.
        let values = samples * (output.elements() + (bindings.len() as u64 - 1) * input.elements());
        let work = Work::new(3 * samples * output.elements(), 4 * values);
        rec.dispatch(label, kernel, bindings, workgroups(threads), work);
    }
}

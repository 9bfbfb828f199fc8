//! Global average pooling.

use super::{Shape, workgroups};
use crate::record::{Binding, Kernel, Recording, Shader, Work};

fn kernel(shader: Shader, shape: Shape) -> Kernel {
    Kernel::new(
        shader,
        &[
            ("C", shape.channels.into()),
            ("HEIGHT", shape.height.into()),
            ("WIDTH", shape.width.into()),
            ("ROW", shape.row().into()),
            ("PLANE", shape.plane().into()),
        ],
    )
}

/// Appends `features[n][c] = mean of a[n][c]`.
pub fn forward(rec: &mut Recording, label: &str, shape: Shape, a: Binding, features: Binding) {
    let samples = u64::from(rec.job.samples);
    let elements = samples * shape.elements();
    let tiles = workgroups(samples * u64::from(shape.channels));
    let work = Work::new(elements, elements * 4);
    rec.dispatch(label, kernel(Shader::PoolForward, shape), &[a, features], tiles, work);
}

/// Appends `g[n][c][h][w] = dfeatures[n][c] / (H W)`.
pub fn backward(rec: &mut Recording, label: &str, shape: Shape, dfeatures: Binding, g: Binding) {
    let samples = u64::from(rec.job.samples);
    let elements = samples * shape.elements();
    let tiles = workgroups(samples * u64::from(shape.channels * shape.height * shape.quads()));
    let work = Work::new(elements, elements * 4);
    rec.dispatch(label, kernel(Shader::PoolBackward, shape), &[dfeatures, g], tiles, work);
}

//! Blocks of a convolution's weight gradient: the parts of the batch whose sums are written first and added afterwards
//! (docs/ORDER.md).

use super::{Shape, workgroups};
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// Number of images in a block of a weight gradient: about 256 output pixels in a strip of four columns (docs/ORDER.md).
pub fn images(output: Shape) -> u32 {
    (64 / output.height).max(1)
}

/// Number of blocks of a weight gradient.
pub fn count(output: Shape, samples: u32) -> u32 {
    output.quads() * samples.div_ceil(images(output))
}

/// Appends the sum of `blocks` partial sums of `elements` weights each, written to the gradient arena at `gradient`.
pub fn reduce(rec: &mut Recording, label: &str, elements: u32, blocks: u32, partial: Binding, gradient: Binding) {
    let kernel = Kernel::new(Shader::ConvDweightReduce, &[("ELEMENTS", elements.into())]);
    let all = u64::from(elements) * u64::from(blocks);
    let tiles = workgroups(u64::from(elements));
    rec.dispatch_with(label, kernel, &[partial, gradient], tiles, Work::new(all, all * 4), &[blocks]);
}

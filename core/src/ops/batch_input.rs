//! Batch input: converts bytes to normalised float planes, cropped and flipped on the device. All replicas share them.

use super::{Shape, workgroups};
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// Padding around an image before the random crop, in pixels.
pub const CROP_MARGIN: u32 = 4;

/// Values of a byte.
const BYTES: usize = 256;

/// The normalised value `(byte / 255 - mean) / std` of each byte, `[C][256]`. `normalization` has mean and standard deviation of each
/// channel. The host computes these quotients, because a device may round them in another way.
#[must_use]
pub fn levels(normalization: &[[f32; 2]]) -> Vec<f32> {
    let of_byte = |[mean, std]: [f32; 2]| (0..BYTES).map(move |byte| (byte as f32 / 255.0 - mean) / std);
    normalization.iter().copied().flat_map(of_byte).collect()
}

/// Size of the packed images of `samples` samples in bytes, rounded up to whole words.
#[must_use]
pub fn image_bytes(shape: Shape, samples: u32) -> u64 {
    (u64::from(samples) * shape.elements()).next_multiple_of(4)
}

/// The kernel's bindings.
#[derive(Clone, Copy, Debug)]
pub struct Bindings {
    /// Pixel bytes `[N][C][H][W]`, packed four to a word.
    pub bytes: Binding,
    /// Crop and flip of each sample: `[N]` words, dy | dx << 8 | flip << 16.
    pub choices: Binding,
    /// Normalised value of each byte, `[C][256]`: see [`levels`].
    pub levels: Binding,
    /// Output planes `[N][C]`.
    pub x: Binding,
}

/// Appends the launch. `pad_byte` is the value of pixels that the crop takes from outside the image.
pub fn forward(rec: &mut Recording, shape: Shape, pad_byte: u8, bindings: Bindings) {
    let kernel = Kernel::new(
        Shader::BatchInput,
        &[
            ("C", shape.channels.into()),
            ("HEIGHT", shape.height.into()),
            ("WIDTH", shape.width.into()),
            ("ROW", shape.row().into()),
            ("PLANE", shape.plane().into()),
            ("MARGIN", CROP_MARGIN.into()),
            ("PAD_BYTE", u32::from(pad_byte).into()),
        ],
    );
    let samples = u64::from(rec.job.samples);
    let threads = samples * u64::from(shape.channels * shape.height * shape.quads());
    let elements = samples * shape.elements();
    let Bindings { bytes, choices, levels, x } = bindings;
    let work = Work::shared(elements * 3, elements * 5);
    rec.dispatch("input", kernel, &[bytes, choices, levels, x], workgroups(threads), work);
}

//! The image of the one-layer network (docs/RULES.md), a checkerboard of +1 and -1.

use super::{Dataset, ImageSet, Normalization};
use crate::ops::Shape;

/// Edge of the one-layer network's image in pixels.
pub const SIDE: u32 = 256;

/// One image of `size` x `size` pixels in one channel: byte 255 where row + column is even, else 0, normalised to
/// exactly +1 and -1. Its label is 1, of two classes. It is both the training set and the test set.
#[must_use]
pub fn dataset(size: u32) -> Dataset {
    let pixel = |at: u32| if (at / size + at % size).is_multiple_of(2) { 255 } else { 0 };
    let pixels = (0..size * size).map(pixel).collect();
    let image = ImageSet { shape: Shape::new(1, size, size), pixels, labels: vec![1] };
    Dataset {
        name: "checkerboard".into(),
        classes: 2,
        class_names: ["other", "checkerboard"].map(String::from).to_vec(),
        train: image.clone(),
        test: image,
        normalization: Normalization { mean: vec![0.5], std: vec![0.5] },
        pad_byte: 0,
        crop_and_flip: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_and_dark_alternate() {
        let data = dataset(4).checked().unwrap();
        assert_eq!(data.train.image(0)[..8], [255, 0, 255, 0, 0, 255, 0, 255]);
        assert_eq!((data.train.labels.as_slice(), data.test.len()), ([1_u8].as_slice(), 1));
        assert_eq!(dataset(3).train.pixels, [255, 0, 255, 0, 255, 0, 255, 0, 255], "an odd size");
        let input = |byte: u8| (f32::from(byte) / 255.0 - data.normalization.mean[0]) / data.normalization.std[0];
        assert_eq!([input(0), input(255)], [-1.0, 1.0]);
    }
}

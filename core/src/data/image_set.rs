//! Labelled images as bytes, and data sets of them.

use serde::{Deserialize, Serialize};

use super::error::{DataError, show};
use crate::huge_pages;
use crate::ops::Shape;

/// Labelled images of one shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSet {
    /// C, H, W of every image.
    pub shape: Shape,
    /// Pixel bytes `[N][C][H][W]`.
    pub pixels: Vec<u8>,
    /// Class indices `[N]`.
    pub labels: Vec<u8>,
}

impl ImageSet {
    /// Creates an empty set with capacity for `capacity` images.
    #[must_use]
    pub fn with_capacity(shape: Shape, capacity: usize) -> Self {
        let pixels = huge_pages::with_capacity(capacity * shape.elements() as usize);
        Self { shape, pixels, labels: Vec::with_capacity(capacity) }
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True if there are no images.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes `[C][H][W]` of image `i`.
    ///
    /// # Panics
    /// If `i` is out of bounds.
    #[must_use]
    pub fn image(&self, i: usize) -> &[u8] {
        let bytes = self.shape.elements() as usize;
        &self.pixels[i * bytes..][..bytes]
    }

    /// Keeps the first `n` images.
    pub fn truncate(&mut self, n: usize) {
        self.labels.truncate(n);
        self.pixels.truncate(n.saturating_mul(self.shape.elements() as usize));
    }
}

/// Converts bytes to the network's input: (byte / 255 - mean) / std, per channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    /// Mean of each channel, `[C]`, where byte 255 is 1.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, `[C]`, on the same scale.
    pub std: Vec<f32>,
}

impl Normalization {
    /// Measures mean and standard deviation of each channel over all pixels of `set`, in f64. It first counts pixels by value
    /// and then sums over the 256 values, so that the result does not depend on the order of the images. A channel with a
    /// single value gets standard deviation 1, so that its input is 0.
    #[must_use]
    pub fn of(set: &ImageSet) -> Self {
        let (mut mean, mut std) = (Vec::new(), Vec::new());
        let channels = set.shape.channels as usize;
        let plane = set.shape.elements() as usize / channels.max(1);
        for c in 0..channels {
            let mut counts = [0_u64; 256];
            let planes = set.pixels.chunks_exact(plane).skip(c).step_by(channels);
            planes.flatten().for_each(|&byte| counts[usize::from(byte)] += 1);
            let pixels = counts.iter().sum::<u64>().max(1) as f64;
            let average = |of: &dyn Fn(f64) -> f64| {
                let terms = counts.iter().enumerate().map(|(byte, &count)| count as f64 * of(byte as f64 / 255.0));
                terms.sum::<f64>() / pixels
            };
            let middle = average(&|value| value);
            let variance = average(&|value| (value - middle) * (value - middle));
            let is_constant = counts.iter().filter(|count| **count > 0).count() <= 1;
            mean.push(middle as f32);
            std.push(if is_constant { 1.0 } else { variance.sqrt() as f32 });
        }
        Self { mean, std }
    }
}

/// Training and test images.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Name, such as `cifar10`.
    pub name: String,
    /// Number of classes.
    pub classes: u32,
    /// Names of the classes, by label.
    pub class_names: Vec<String>,
    /// Training images in file order.
    pub train: ImageSet,
    /// Test images in file order.
    pub test: ImageSet,
    /// Conversion from bytes to inputs.
    pub normalization: Normalization,
    /// Byte that pads an image for the random crop.
    pub pad_byte: u8,
    /// True if random crops and flips preserve the class of an image.
    pub crop_and_flip: bool,
}

impl Dataset {
    /// Returns the data set if its parts are consistent: shapes, channels, labels, lengths and class names.
    ///
    /// # Errors
    /// [`DataError::Inconsistent`] with the first contradiction.
    pub fn checked(self) -> Result<Self, DataError> {
        match self.contradiction() {
            None => Ok(self),
            Some(problem) => Err(DataError::Inconsistent { name: self.name, problem }),
        }
    }

    fn contradiction(&self) -> Option<String> {
        let (train, test) = (&self.train, &self.test);
        if train.shape != test.shape {
            return Some(format!("training images are {}, test images {}", show(train.shape), show(test.shape)));
        }
        for (set, images) in [("training", train), ("test", test)] {
            let expected = images.shape.elements() as usize * images.len();
            if images.pixels.len() != expected {
                let (n, bytes) = (images.len(), images.pixels.len());
                return Some(format!("{n} {set} labels need {expected} bytes of pixels, not {bytes}"));
            }
            if let Some(label) = images.labels.iter().find(|&&label| u32::from(label) >= self.classes) {
                return Some(format!("a {set} label is {label}, but there are {} classes", self.classes));
            }
        }
        let Normalization { mean, std } = &self.normalization;
        if mean.len() != std.len() || mean.len() != train.shape.channels as usize {
            return Some("normalisation and images have different numbers of channels".into());
        }
        (self.class_names.len() != self.classes as usize)
            .then(|| "the numbers of classes and of class names differ".into())
    }

    /// C, H, W of every image.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.train.shape
    }

    /// All that a plan depends on.
    #[must_use]
    pub fn outline(&self) -> Outline {
        let scale = self.normalization.mean.iter().zip(&self.normalization.std);
        Outline {
            shape: self.shape(),
            classes: self.classes,
            train: self.train.len(),
            test: self.test.len(),
            normalization: scale.map(|(mean, std)| [mean.to_bits(), std.to_bits()]).collect(),
            pad_byte: self.pad_byte,
        }
    }
}

/// What a plan depends on of a data set: all but its images and names. As JSON it is exact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// C, H, W of every image.
    pub shape: Shape,
    /// Number of classes.
    pub classes: u32,
    /// Number of training images.
    pub train: usize,
    /// Number of test images.
    pub test: usize,
    /// Bits of mean and standard deviation of each channel, `[C][2]`.
    pub normalization: Vec<[u32; 2]>,
    /// Byte that pads an image for the random crop.
    pub pad_byte: u8,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::checkerboard;

    #[test]
    fn a_set_keeps_its_first_images() {
        let mut set = ImageSet { shape: Shape::new(1, 1, 2), pixels: vec![1, 2, 3, 4, 5, 6], labels: vec![7, 8, 9] };
        assert_eq!((set.len(), set.image(2)), (3, [5, 6].as_slice()));
        set.truncate(usize::MAX);
        assert_eq!(set.len(), 3);
        set.truncate(1);
        assert_eq!((set.pixels.as_slice(), set.labels.as_slice()), ([1, 2].as_slice(), [7].as_slice()));
        set.truncate(0);
        assert!(set.is_empty());
    }

    #[test]
    fn normalisation_is_measured_by_channel() {
        let pixels = vec![0, 255, 51, 51, 255, 255, 51, 51]; // two images of 2 channels and 2 pixels
        let set = ImageSet { shape: Shape::new(2, 1, 2), pixels, labels: vec![0, 1] };
        let Normalization { mean, std } = Normalization::of(&set);
        assert_eq!(mean, [0.75, 0.2]);
        assert_eq!(std, [0.1875_f64.sqrt() as f32, 1.0], "the second channel has a single value");
        let empty = ImageSet::with_capacity(Shape::new(1, 2, 2), 0);
        assert_eq!(Normalization::of(&empty), Normalization { mean: vec![0.0], std: vec![1.0] });
    }

    #[test]
    fn contradictions_are_named() {
        let good = || checkerboard::dataset(2);
        let image = good().train;
        let short = ImageSet { pixels: vec![0; 3], ..image.clone() };
        let wide = ImageSet { shape: Shape::new(1, 1, 4), ..image.clone() };
        let label = ImageSet { labels: vec![2], ..image };
        let cases = [
            (Dataset { test: wide, ..good() }, "training images are 1 x 2 x 2, test images 1 x 1 x 4"),
            (Dataset { train: short, ..good() }, "1 training labels need 4 bytes of pixels, not 3"),
            (Dataset { test: label, ..good() }, "a test label is 2, but there are 2 classes"),
            (Dataset { class_names: vec![], ..good() }, "the numbers of classes and of class names differ"),
            (
                Dataset { normalization: Normalization { mean: vec![0.0; 3], std: vec![1.0; 3] }, ..good() },
                "normalisation and images have different numbers of channels",
            ),
        ];
        for (data, problem) in cases {
            let message = data.checked().unwrap_err().to_string();
            assert_eq!(message, format!("checkerboard: {problem}: check how the data set was put together"));
        }
    }
}

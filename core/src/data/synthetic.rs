//! Synthetic images, for tests, demonstrations and machines without a data set. They show stripes, checks and plain shapes in
//! two random colours, shifted, rotated, scaled and unevenly lit, behind a random bar and with noise. Colour is independent of
//! the class and a mirror image keeps its class, so crops and flips make sense.

use std::sync::OnceLock;

use super::{Dataset, ImageSet, Normalization};
use crate::ops::Shape;
use crate::rng::{Purpose, Stream};
use crate::threads::Threads;

const CLASS_NAMES: [&str; 10] =
    ["across", "upright", "diagonal", "checks", "dots", "disc", "ring", "square", "triangle", "cross"];
/// Number of texture classes, which come first and fill the image. The other classes are shapes.
const TEXTURES: u8 = 5;
const SIDE: u32 = 32;
/// The set that all runs use, regardless of their seeds: its seed, and the numbers of training and test images.
pub const SET: (u64, usize, usize) = (1, 2048, 512);
/// Index of the first test image, beyond any number of training images.
const FIRST_TEST: u64 = 1 << 32;
/// Number of images that a thread generates at a time.
const PIECE: usize = 64;

/// Generates `train` training and `test` test images: 32 x 32, in colour, with ten classes in turn. A smaller set is the
/// beginning of a larger one with the same seed.
#[must_use]
pub fn dataset(seed: u64, train: usize, test: usize) -> Dataset {
    Dataset {
        name: "synthetic".into(),
        classes: CLASS_NAMES.len() as u32,
        class_names: CLASS_NAMES.map(String::from).to_vec(),
        train: images(seed, 0, train),
        test: images(seed, FIRST_TEST, test),
        normalization: Normalization { mean: vec![0.436; 3], std: vec![0.227; 3] },
        pad_byte: 111,
        crop_and_flip: true,
    }
}

fn images(seed: u64, first: u64, n: usize) -> ImageSet {
    let shape = Shape::new(3, SIDE, SIDE);
    let class = |i: usize| (i % CLASS_NAMES.len()) as u8;
    let pieces: Vec<OnceLock<Vec<u8>>> = (0..n.div_ceil(PIECE)).map(|_| OnceLock::new()).collect();
    Threads::up_to(pieces.len()).parallel_for(pieces.len(), &|piece| {
        pieces[piece].get_or_init(|| {
            let mut pixels = Vec::with_capacity(PIECE * shape.elements() as usize);
            for i in piece * PIECE..n.min((piece + 1) * PIECE) {
                let mut stream = Stream::new(seed, Purpose::Synthetic, first + i as u64);
                Scene::new(class(i), &mut stream).paint(&mut stream, &mut pixels);
            }
            pixels
        });
    });
    let pieces: Vec<Vec<u8>> = pieces.into_iter().filter_map(OnceLock::into_inner).collect();
    ImageSet { shape, pixels: pieces.concat(), labels: (0..n).map(class).collect() }
}

/// A uniform random value between `low` and `high`.
fn between(stream: &mut Stream, low: f64, high: f64) -> f64 {
    low + (high - low) * stream.uniform()
}

/// A shifted and rotated coordinate system, in pixels.
struct Frame {
    x: f64,
    y: f64,
    sin: f64,
    cos: f64,
}

impl Frame {
    /// A frame around the centre of the image, shifted by up to `shift` pixels and rotated by up to `turn` radians.
    fn new(stream: &mut Stream, shift: f64, turn: f64) -> Self {
        let middle = f64::from(SIDE - 1) / 2.0;
        let (sin, cos) = libm::sincos(between(stream, -turn, turn));
        Self { x: middle + between(stream, -shift, shift), y: middle + between(stream, -shift, shift), sin, cos }
    }

    /// Coordinates of pixel (x, y) in the frame.
    fn locate(&self, x: u32, y: u32) -> (f64, f64) {
        let (x, y) = (f64::from(x) - self.x, f64::from(y) - self.y);
        (self.cos * x + self.sin * y, self.cos * y - self.sin * x)
    }
}

/// The random choices of an image, except for its noise. Colours are [R, G, B] on the scale of bytes.
struct Scene {
    class: u8,
    frame: Frame,
    /// Period of a texture or half the extent of a shape, in pixels.
    size: f64,
    /// 1 or -1, which selects one of the two diagonals for the stripes.
    diagonal: f64,
    ground: [f64; 3],
    figure: [f64; 3],
    /// Increase of light per pixel, to the right and down.
    slope: [f64; 2],
    bar_frame: Frame,
    bar_half_width: f64,
    bar: [f64; 3],
    noise: f64,
}

impl Scene {
    fn new(class: u8, stream: &mut Stream) -> Self {
        // With these ranges a ResNet-8 reaches about 80 % in 100 steps of 64 images. Most important is that the figure is
        // always lighter than the ground: with contrast of both signs, shapes take several times as long.
        let texture = class < TEXTURES;
        let (shift, size) = if texture { (8.0, (5.0, 11.0)) } else { (5.0, (6.0, 12.0)) };
        let mut colour = |low, high| [(); 3].map(|()| between(stream, low, high));
        let ground = colour(20.0, 150.0);
        let bar = colour(0.0, 200.0);
        let contrast = colour(30.0, 140.0);
        Self {
            class,
            frame: Frame::new(stream, shift, 0.3),
            size: between(stream, size.0, size.1),
            diagonal: if stream.below(2) == 0 { 1.0 } else { -1.0 },
            ground,
            figure: [0, 1, 2].map(|c| ground[c] + contrast[c]),
            slope: [(); 2].map(|()| between(stream, -1.0, 1.0)),
            bar_frame: Frame::new(stream, 12.0, std::f64::consts::PI),
            bar_half_width: between(stream, -0.5, 2.0),
            bar,
            noise: between(stream, 4.0, 32.0),
        }
    }

    /// Appends the image `[C][H][W]` to `pixels`.
    fn paint(&self, stream: &mut Stream, pixels: &mut Vec<u8>) {
        let middle = f64::from(SIDE - 1) / 2.0;
        let places = (0..SIDE * SIDE).map(|at| (at % SIDE, at / SIDE));
        let layers = places.map(|(x, y)| {
            let (u, v) = self.frame.locate(x, y);
            let (_, from_bar) = self.bar_frame.locate(x, y);
            let light = self.slope[0] * (f64::from(x) - middle) + self.slope[1] * (f64::from(y) - middle);
            (covered(self.outside(u, v)), covered(from_bar.abs() - self.bar_half_width), light)
        });
        let layers: Vec<_> = layers.collect();
        for c in 0..3 {
            for (figure, bar, light) in &layers {
                let scene = self.ground[c] + light + figure * (self.figure[c] - self.ground[c]);
                let value = scene + bar * (self.bar[c] - scene) + self.noise * rough_normal(stream);
                pixels.push((value + 0.5).clamp(0.0, 255.0) as u8);
            }
        }
    }

    /// Distance of a point of the frame from the figure in pixels; negative inside.
    fn outside(&self, u: f64, v: f64) -> f64 {
        let size = self.size;
        let (across, down) = (u.abs(), v.abs());
        match self.class {
            0 => stripes(v, size),
            1 => stripes(u, size),
            2 => stripes((u + self.diagonal * v) * std::f64::consts::FRAC_1_SQRT_2, size),
            3 => {
                // Inside where exactly one of two stripe patterns covers the point.
                let (a, b) = (stripes(u, size * 1.4), stripes(v, size * 1.4));
                a.min(b).max(-a.max(b))
            }
            4 => libm::hypot(from_multiple(u, size), from_multiple(v, size)) - 0.3 * size,
            5 => libm::hypot(u, v) - 0.9 * size,
            6 => (libm::hypot(u, v) - 0.8 * size).abs() - 0.25 * size,
            7 => across.max(down) - 0.8 * size,
            8 => (v - 0.5 * size).max(0.866 * across - 0.5 * v - 0.5 * size),
            _ => (across - size).max(down - 0.3 * size).min((across - 0.3 * size).max(down - size)),
        }
    }
}

/// Signed distance of `u` from the nearest multiple of `period`.
fn from_multiple(u: f64, period: f64) -> f64 {
    u - period * libm::floor(u / period + 0.5)
}

/// Distance of `u` from stripes as wide as their gaps; negative inside.
fn stripes(u: f64, period: f64) -> f64 {
    from_multiple(u, period).abs() - 0.25 * period
}

/// Covered fraction of a pixel, from the distance of its centre to the edge. Edges are one pixel wide.
fn covered(outside: f64) -> f64 {
    (0.5 - outside).clamp(0.0, 1.0)
}

/// An approximately standard normal value: a sum of four random bytes, which is cheap and good enough for noise.
fn rough_normal(stream: &mut Stream) -> f64 {
    let [a, b, c, d] = stream.next_u32().to_le_bytes();
    let sum = u32::from(a) + u32::from(b) + u32::from(c) + u32::from(d);
    (f64::from(sum) - 510.0) / 147.8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::tests::hash;

    /// Images must be the same in every version and on every platform.
    #[test]
    fn images_keep_their_values() {
        let hashes = |seed| {
            let Dataset { train, test, .. } = dataset(seed, 40, 20);
            [train, test].map(|set| hash(set.pixels.iter().map(|&b| b.into())))
        };
        let found = [hashes(1), hashes(2)];
        let expected = [[0xa055_eab6_cc23_be06, 0x995f_2641_b50a_6d9f], [0xafc1_1170_39e0_5a96, 0x3377_aefe_ce6d_754f]];
        assert_eq!(found, expected, "{found:#018x?}");
    }

    #[test]
    fn classes_are_balanced() {
        let data = dataset(1, 50, 20).checked().unwrap();
        for (set, each) in [(&data.train, 5), (&data.test, 2)] {
            assert!((0..10).all(|class| set.labels.iter().filter(|&&label| label == class).count() == each));
        }
    }

    #[test]
    fn a_smaller_set_is_the_beginning_of_a_larger_one() {
        // Both sets have several pieces.
        let (mut more, fewer) = (dataset(1, 3 * PIECE + 5, 11), dataset(1, PIECE + 7, 3));
        more.train.truncate(PIECE + 7);
        more.test.truncate(3);
        assert!(more == fewer);
        assert_ne!(fewer.train.image(0), fewer.test.image(0));
    }

    #[test]
    fn normalisation_fits_the_images() {
        let data = dataset(1, 400, 0);
        let values = || data.train.pixels.iter().map(|&b| f64::from(b) / 255.0);
        let n = data.train.pixels.len() as f64;
        let mean = values().sum::<f64>() / n;
        let std = (values().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
        assert!((mean - f64::from(data.normalization.mean[0])).abs() < 0.02, "{mean}");
        assert!((std - f64::from(data.normalization.std[0])).abs() < 0.02, "{std}");
    }
}

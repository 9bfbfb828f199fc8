//! Images for the one-layer equations. They have one channel of float32 values, so that the float32 and float64
//! implementations use the same image.

use super::PdeError;
use crate::rng::{Purpose, Stream};

/// Maximum height and width of an image in pixels.
pub const MAX_SIDE: u32 = 1024;

/// An image with one channel of real values.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    height: u32,
    width: u32,
    pixels: Vec<f32>,
}

impl Image {
    /// Creates an image from its values `[H][W]`.
    ///
    /// # Errors
    /// [`PdeError::Value`] if a side is 0 or above [`MAX_SIDE`], the number of values is wrong, or a value is not finite.
    pub fn new(height: u32, width: u32, pixels: Vec<f32>) -> Result<Self, PdeError> {
        for side in [height, width] {
            if !(1..=MAX_SIDE).contains(&side) {
                return Err(PdeError::value("image side", format!("1 to {MAX_SIDE} pixels"), side));
            }
        }
        if pixels.len() != height as usize * width as usize {
            let wanted = format!("{height} x {width} values");
            return Err(PdeError::value("image", wanted, format!("{} values", pixels.len())));
        }
        match pixels.iter().find(|v| !v.is_finite()) {
            Some(value) => Err(PdeError::value("image value", "finite", value)),
            None => Ok(Self { height, width, pixels }),
        }
    }

    fn of(height: u32, width: u32, mut value: impl FnMut(u32, u32) -> f64) -> Result<Self, PdeError> {
        // Limits the allocation before `new` checks the sides.
        let (rows, columns) = (height.min(MAX_SIDE + 1), width.min(MAX_SIDE + 1));
        let pixels = (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))).map(|(y, x)| value(y, x) as f32);
        Self::new(height, width, pixels.collect())
    }

    /// The paper's image: +1 where row + column is even, else -1.
    ///
    /// # Errors
    /// Same as [`Image::new`], as for the other constructors.
    pub fn checkerboard(height: u32, width: u32) -> Result<Self, PdeError> {
        Self::of(height, width, |y, x| if (y + x).is_multiple_of(2) { 1.0 } else { -1.0 })
    }

    /// A cosine wave with a period of `period` pixels, whose crests are at `angle` radians to the columns.
    pub fn grating(height: u32, width: u32, period: f64, angle: f64) -> Result<Self, PdeError> {
        if !(period.is_finite() && period > 0.0 && angle.is_finite()) {
            return Err(PdeError::value("grating period", "a positive number of pixels", period));
        }
        let (sin, cos) = libm::sincos(angle);
        let turn = std::f64::consts::TAU / period;
        Self::of(height, width, |y, x| libm::cos(turn * (cos * f64::from(x) + sin * f64::from(y))))
    }

    /// The constant `mean` plus normal noise of standard deviation `std`.
    pub fn noise(height: u32, width: u32, mean: f64, std: f64, seed: u64) -> Result<Self, PdeError> {
        if !(std.is_finite() && std >= 0.0) {
            return Err(PdeError::value("noise", "a standard deviation of at least 0", std));
        }
        let mut stream = Stream::new(seed, Purpose::Noise, 0);
        Self::of(height, width, |_, _| mean + std * stream.normal())
    }

    /// Converts bytes `[C][H][W]` from 0..255 to -1..1. The bytes are grey (C = 1) or colour (C = 3: red, green, blue), and
    /// colour is converted to luma by ITU-R BT.601.
    pub fn from_bytes(height: u32, width: u32, bytes: &[u8]) -> Result<Self, PdeError> {
        let plane = height as usize * width as usize;
        let weights: &[f64] = if bytes.len() == 3 * plane { &[0.299, 0.587, 0.114] } else { &[1.0] };
        if bytes.len() != weights.len() * plane {
            let wanted = format!("{plane} grey or {} colour bytes", 3 * plane);
            return Err(PdeError::value("image", wanted, format!("{} bytes", bytes.len())));
        }
        let grey =
            |at: usize| weights.iter().enumerate().map(|(c, w)| w * f64::from(bytes[c * plane + at])).sum::<f64>();
        Self::new(height, width, (0..plane).map(|at| (grey(at) / 127.5 - 1.0) as f32).collect())
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Values `[H][W]`.
    #[must_use]
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }
}

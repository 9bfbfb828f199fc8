//! Counterpart of shaders/shared/activation.wgsl, on runs of floats.

use super::math::{clamp, sigmoid_within};
use crate::processor::lanes::Lanes;
use crate::processor::twin::Launch;

/// The activation of a layer.
#[derive(Clone, Copy)]
pub enum Activation {
    /// The identity.
    None,
    /// max(z, 0)
    Relu,
    /// z * sigmoid(beta z)
    Swish {
        /// Steepness.
        beta: f32,
    },
}

impl Activation {
    /// Constants ACTIVATION and BETA.
    pub fn new(launch: &Launch<'_>) -> Self {
        match launch.size("ACTIVATION") {
            0 => Self::None,
            1 => Self::Relu,
            _ => Self::Swish { beta: launch.float("BETA") },
        }
    }

    /// Whether it changes anything.
    #[inline(always)]
    pub fn is_some(self) -> bool {
        !matches!(self, Self::None)
    }

    /// Puts the activation in the place of each z.
    #[inline(always)]
    pub fn apply<L: Lanes>(self, run: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Relu => {
                for z in run {
                    // No max, which would turn NaN into 0 and let a network that has blown up look healthy.
                    *z = if *z <= 0.0 { 0.0 } else { *z };
                }
            }
            Self::Swish { beta } => {
                for z in run {
                    // SAFETY: bounded.
                    *z *= unsafe { sigmoid_within::<L>(steepened(beta, *z)) };
                }
            }
        }
    }

    /// Puts the activation's derivative in the place of each z.
    #[inline(always)]
    pub fn slope<L: Lanes>(self, run: &mut [f32]) {
        match self {
            Self::None => run.fill(1.0),
            Self::Relu => {
                for z in run {
                    *z = if *z > 0.0 { 1.0 } else { 0.0 };
                }
            }
            Self::Swish { beta } => {
                for z in run {
                    let t = steepened(beta, *z);
                    // SAFETY: bounded.
                    let s = unsafe { sigmoid_within::<L>(t) };
                    *z = L::mac1(t * s, 1.0 - s, s);
                }
            }
        }
    }
}

/// beta z, bounded: the sigmoid has reached 0 or 1 by then, and infinity times 1 - 1 would be NaN. NaN becomes the
/// lower bound, as on most GPUs; the activation itself shows it.
#[inline(always)]
fn steepened(beta: f32, z: f32) -> f32 {
    clamp(beta * z, -100.0, 100.0)
}

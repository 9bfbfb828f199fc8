//! Counterpart of shaders/shared/activation.wgsl, on runs of floats.

use super::math::{clamp, hyperbolic_tangent, sigmoid_within};
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
        /// Steepness of the sigmoid.
        beta: f32,
    },
    /// tanh z
    Tanh,
}

impl Activation {
    /// Reads the constants ACTIVATION and BETA.
    pub fn new(launch: &Launch<'_>) -> Self {
        match launch.size("ACTIVATION") {
            0 => Self::None,
            1 => Self::Relu,
            2 => Self::Swish { beta: launch.float("BETA") },
            _ => Self::Tanh,
        }
    }

    /// Whether it is not the identity.
    #[inline(always)]
    pub fn is_some(self) -> bool {
        !matches!(self, Self::None)
    }

    /// Replaces each z with its activation.
    #[inline(always)]
    pub fn apply<L: Lanes>(self, run: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Relu => {
                for z in run {
                    // Not `max`, which would turn NaN into 0 and make a diverged network look healthy.
                    *z = if *z <= 0.0 { 0.0 } else { *z };
                }
            }
            Self::Swish { beta } => {
                for z in run {
                    // SAFETY: `steepened` is bounded by 100.
                    *z *= unsafe { sigmoid_within::<L>(steepened(beta, *z)) };
                }
            }
            Self::Tanh => {
                for z in run {
                    *z = hyperbolic_tangent::<L>(*z);
                }
            }
        }
    }

    /// Replaces each z with the activation's derivative.
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
                    // SAFETY: `steepened` is bounded by 100.
                    let s = unsafe { sigmoid_within::<L>(t) };
                    *z = L::mac1(t * s, 1.0 - s, s);
                }
            }
            Self::Tanh => {
                for z in run {
                    let a = hyperbolic_tangent::<L>(*z);
                    *z = L::mac1(-a, a, 1.0);
                }
            }
        }
    }
}

/// beta z, clamped to [-100, 100]. The sigmoid has reached 0 or 1 at these bounds, and infinity times 1 - 1 would be NaN. NaN
/// becomes the lower bound, as on most GPUs; the activation itself still shows it.
#[inline(always)]
fn steepened(beta: f32, z: f32) -> f32 {
    clamp(beta * z, -100.0, 100.0)
}

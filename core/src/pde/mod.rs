//! The paper's equations: the heat equation (Figure 1), the linear one-layer equation in its three regimes (Figure 3,
//! Tables 2 and 3) and the nonlinear one-layer network with perturbed replicas (Figure 4).
//!
//! Each equation is there twice: on the GPU in float32 ([`Heat`], [`Linear`], [`Nonlinear`]: one replica for each step
//! size or divisor, all in lockstep) and on the processor in float64 ([`HeatDouble`], [`LinearDouble`],
//! [`NonlinearDouble`]: one replica), with what theory says about it in closed form beside. A run stops when a value
//! passes [`STOP_ABOVE`] or is not finite; the step is recorded and the values stay as they were then.

mod dynamics;
mod eigen;
mod heat;
mod image;
mod linear;
mod lockstep;
mod nonlinear;
mod nonlinear_double;
mod patches;

pub use dynamics::{Bracket, bisect, period};
pub use eigen::symmetric_eigenvalues;
pub use heat::{Heat, HeatDouble, HeatParams};
pub use image::Image;
pub use linear::{Bounds, Linear, LinearDouble, LinearParams, Regime};
pub use lockstep::{Sample, initial_kernel};
pub use nonlinear::{Nonlinear, NonlinearParams, Replica};
pub use nonlinear_double::NonlinearDouble;
pub use patches::Patches;

use thiserror::Error;

use crate::device::DeviceError;

/// A run stops when the magnitude of a value passes this.
pub const STOP_ABOVE: f32 = 1e15;
/// Largest side of an image.
pub const MAX_SIDE: u32 = 1024;
/// Largest side of a kernel.
pub const MAX_KERNEL: u32 = 64;
/// Most replicas in a run.
pub const MAX_REPLICAS: usize = 1024;

/// Why an equation cannot be set up or go on.
#[derive(Debug, Error)]
pub enum PdeError {
    /// The GPU.
    #[error(transparent)]
    Gpu(#[from] DeviceError),
    /// A value that makes no run.
    #[error("{name} must be {wanted}, not {found}")]
    Value {
        /// What it is: `dt`, `alpha`, `kernel size`.
        name: &'static str,
        /// What would do.
        wanted: String,
        /// What came.
        found: String,
    },
    /// More memory than one storage binding of the adapter spans.
    #[error(
        "{replicas} replicas of a {kernel} x {kernel} kernel on this image need a buffer of {asked} bytes, and this \
         adapter binds at most {limit}: use fewer replicas, a smaller image or a smaller kernel"
    )]
    TooLarge {
        /// Replicas in the run.
        replicas: usize,
        /// Side of the kernel.
        kernel: u32,
        /// Bytes of the largest buffer.
        asked: u64,
        /// Bytes that can be bound.
        limit: u64,
    },
}

impl PdeError {
    fn value(name: &'static str, wanted: impl Into<String>, found: impl std::fmt::Display) -> Self {
        Self::Value { name, wanted: wanted.into(), found: found.to_string() }
    }
}

/// Step sizes: at least one, positive and finite.
fn check_dts(dts: impl ExactSizeIterator<Item = f64>) -> Result<(), PdeError> {
    check_replicas(dts.len())?;
    for dt in dts {
        if !(dt.is_finite() && dt > 0.0) {
            return Err(PdeError::value("dt", "a positive number", dt));
        }
        check_finite("dt", dt)?;
    }
    Ok(())
}

fn check_replicas(n: usize) -> Result<(), PdeError> {
    match n {
        1..=MAX_REPLICAS => Ok(()),
        _ => Err(PdeError::value("number of replicas", format!("1 to {MAX_REPLICAS}"), n)),
    }
}

fn check_finite(name: &'static str, value: f64) -> Result<(), PdeError> {
    match (value as f32).is_finite() {
        true => Ok(()),
        false if value.is_finite() => Err(PdeError::value(name, "at most 3.4e38, which float32 can hold", value)),
        false => Err(PdeError::value(name, "a finite number", value)),
    }
}

fn check_kernel(image: &Image, kernel: u32) -> Result<(), PdeError> {
    let most = MAX_KERNEL.min(image.height()).min(image.width());
    if (1..=most).contains(&kernel) {
        return Ok(());
    }
    let wanted = format!("1 to {most} on an image of {} x {} pixels", image.height(), image.width());
    Err(PdeError::value("kernel size", wanted, kernel))
}

//! The paper's equations: the heat equation (Figure 1), the linear one-layer equation in its three regimes (Figure 3,
//! Tables 2 and 3) and the nonlinear one-layer network with perturbed replicas (Figure 4).
//!
//! Each equation has two implementations: in float32 on an adapter ([`Heat`], [`Linear`], [`Nonlinear`]: one replica for each
//! step size or divisor, all in lockstep) and in float64 on the host ([`HeatDouble`], [`LinearDouble`],
//! [`NonlinearDouble`]: one replica). Theory in closed form is in the methods of their parameters. A run stops when the
//! magnitude of a value exceeds [`STOP_ABOVE`] or a value is not finite; the step is recorded and the values remain as they
//! were at that step.
//!
//! Functions that take parameters return [`PdeError::Value`] for an invalid one. Functions that use an adapter return
//! [`PdeError::Gpu`] if the device is lost, runs out of memory or refuses a call.

mod dynamics;
mod eigen;
mod error;
mod heat;
mod image;
mod linear;
mod lockstep;
mod nonlinear;
mod nonlinear_double;
mod patches;

pub use dynamics::{Bracket, bisect, period};
pub use eigen::symmetric_eigenvalues;
pub use error::PdeError;
pub use heat::{Heat, HeatDouble, HeatParams};
pub use image::{Image, MAX_SIDE};
pub use linear::{Bounds, Linear, LinearDouble, LinearParams, Regime};
pub use lockstep::{Sample, initial_kernel};
pub use nonlinear::{Nonlinear, NonlinearParams, Replica};
pub use nonlinear_double::NonlinearDouble;
pub use patches::Patches;

/// A run stops when the magnitude of a value exceeds this bound.
pub const STOP_ABOVE: f32 = 1e15;
/// Maximum edge length of a kernel.
pub const MAX_KERNEL: u32 = 64;
/// Maximum number of replicas in a run.
pub const MAX_REPLICAS: usize = 1024;

/// Checks step sizes: at least one, all positive and finite.
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

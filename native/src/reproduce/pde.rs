//! What the experiments on the paper's equations share: parameters, steps, bisection, growth, and the time of a step.

use std::rc::Rc;
use std::time::Instant;

use lastbit_core::device::Fill;
use lastbit_core::ops::Activation;
use lastbit_core::ops::sgd::Perturbation;
use lastbit_core::pde::{
    Bracket, Image, LinearParams, MAX_KERNEL, Nonlinear, NonlinearParams, PdeError, Regime, Replica, bisect,
    initial_kernel,
};
use pollster::block_on;

use super::common::check_interrupt;
use super::{Forecast, Study};
use crate::failure::Failure;
use crate::numbers::number;

/// Largest `--steps`, which the core counts in 32 bits.
pub const MOST_STEPS: u64 = 10_000_000;

/// Bisects `bracket` until it is narrower than `tolerance`, relative to its middle, and returns the middle.
pub fn edge(
    bracket: Bracket,
    tolerance: f64,
    mut holds: impl FnMut(f64) -> Result<bool, Failure>,
) -> Result<f64, Failure> {
    let found = bisect(bracket, tolerance, |value| {
        check_interrupt()?;
        holds(value)
    })?;
    Ok(found.middle())
}

/// Takes `steps` steps by calls of `step`, and stops after Ctrl-C.
pub fn take_steps(steps: u64, mut step: impl FnMut(u32) -> Result<(), PdeError>) -> Result<(), Failure> {
    /// Steps between two checks for Ctrl-C.
    const STRIDE: u64 = 20;
    for done in (0..steps).step_by(STRIDE as usize) {
        check_interrupt()?;
        step(STRIDE.min(steps - done) as u32)?;
    }
    Ok(())
}

/// Norms below this share of the first are ignored: a kernel that decays for a thousand steps underflows.
pub const LEAST: f64 = 1e-12;

/// The last step at which |w| has not decayed to almost nothing, from its norms at every step.
pub fn last_measurable(norms: &[f64]) -> usize {
    norms.iter().rposition(|norm| *norm > LEAST * norms[0]).unwrap_or(1).max(1)
}

/// Mean factor of |w| a step over the `over` steps up to the last measurable one. `None` if it is not finite.
pub fn growth_at_end(norms: &[f64], over: usize) -> Option<f64> {
    let last = last_measurable(norms);
    let from = last - over.min(last);
    finite((norms[last] / norms[from]).powf(1.0 / (last - from) as f64))
}

/// Forecast of pieces, each a name and its number of steps. A step of `replicas` replicas of a one-layer equation is timed if
/// a piece is left.
pub fn forecast(
    study: &Study,
    [size, kernel]: [u32; 2],
    replicas: usize,
    pieces: &[(String, f64)],
) -> Result<Forecast, Failure> {
    let is_left = pieces.iter().any(|(name, _)| !study.is_done(name));
    let seconds = if is_left { seconds_of_a_step(study, size, kernel, replicas)? } else { 0.0 };
    Ok(study.forecast_pieces(pieces.iter().map(|(name, steps)| (name, steps * seconds))))
}

fn seconds_of_a_step(study: &Study, size: u32, kernel: u32, replicas: usize) -> Result<f64, Failure> {
    let replicas = vec![Replica { k: 1, dt: 0.01, reference: 0 }; replicas];
    let params = nonlinear(size, kernel, 20.0, 1)?;
    let mut run = block_on(Nonlinear::new(Rc::clone(study.context()), params, &replicas, Fill::Zero))?;
    // The first steps include compilation.
    block_on(run.step(2))?;
    let start = Instant::now();
    block_on(run.step(4))?;
    Ok(start.elapsed().as_secs_f64() / 4.0)
}

/// The initial kernel. A kernel that is too large is refused with the other parameters.
fn initial(kernel: u32, seed: u64) -> Vec<f32> {
    initial_kernel(kernel.min(MAX_KERNEL), None, seed)
}

/// The paper's nonlinear network on a checkerboard.
pub fn nonlinear(size: u32, kernel: u32, alpha: f64, seed: u64) -> Result<NonlinearParams, PdeError> {
    Ok(NonlinearParams {
        image: Image::checkerboard(size, size)?,
        kernel,
        activation: Activation::Swish { beta: 1.0 },
        label: 1,
        alpha,
        perturbation: Perturbation::Divide,
        initial: initial(kernel, seed),
    })
}

/// The paper's linear equation. A source would hold a decaying kernel at its fixed point; it does not affect stability.
pub fn linear(image: Image, kernel: u32, regime: Regime, seed: u64) -> LinearParams {
    LinearParams { image, kernel, regime, a: -0.5, beta: 1.0, source: false, initial: initial(kernel, seed) }
}

/// The linear equation in the transitioning regime on a checkerboard. It has no source, as in the authors' script, where the
/// constant term is the image's mean: 0.
pub fn transitioning(size: u32, kernel: u32, seed: u64) -> Result<LinearParams, PdeError> {
    Ok(linear(Image::checkerboard(size, size)?, kernel, Regime::Transitioning, seed))
}

/// The value, or `None` if it is not finite: JSON has no infinity.
pub fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// A growth a step as text: five decimals, or a power of ten if it is large.
pub fn growth_text(growth: Option<f64>) -> String {
    match growth {
        Some(growth) if growth.abs() < 1e3 => format!("{growth:.5}"),
        Some(growth) => number(growth),
        None => "an unmeasurable factor".to_owned(),
    }
}

/// Points of a curve, from step 0 on. A missing value becomes NaN, which interrupts the curve.
pub fn curve(values: &[Option<f64>]) -> Vec<(f64, f64)> {
    values.iter().enumerate().map(|(step, value)| (step as f64, value.unwrap_or(f64::NAN))).collect()
}

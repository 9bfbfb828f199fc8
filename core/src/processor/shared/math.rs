//! Counterpart of shaders/shared/math.wgsl: exp, log, the sigmoid and tanh from + - * / and bits alone.
//!
//! Loops over these functions vectorise: the functions have no branches and no saturating conversions.
#![allow(clippy::excessive_precision, clippy::approx_constant, reason = "the digits of the WGSL")]

use crate::processor::lanes::Lanes;

/// Whether `x` is neither infinite nor NaN.
#[inline(always)]
pub fn is_finite(x: f32) -> bool {
    x.to_bits() & 0x7f80_0000 != 0x7f80_0000
}

/// `value` if `is_sound`, else NaN. Shows an infinity or NaN that bounds and clamps have hidden.
#[inline(always)]
pub fn nan_unless(is_sound: bool, value: f32) -> f32 {
    if is_sound { value } else { f32::NAN }
}

/// `x` clamped to [low, high]. NaN becomes `low`, as on most GPUs.
#[inline(always)]
pub fn clamp(x: f32, low: f32, high: f32) -> f32 {
    let x = if x > low { x } else { low };
    if x < high { x } else { high }
}

/// The nearest integer, ties to even.
///
/// # Safety
/// `x` must not be NaN and must be less than 2^31 in magnitude.
#[inline(always)]
unsafe fn nearest(x: f32) -> i32 {
    // SAFETY: upheld by the caller.
    unsafe { x.round_ties_even().to_int_unchecked() }
}

/// e^x within 2 ulp for -87 <= x <= 88; clamped outside, so that the result stays a finite normal number (NaN gives
/// e^-87).
#[inline(always)]
pub fn exp_finite<L: Lanes>(value: f32) -> f32 {
    // SAFETY: the clamped value is between -100 and 100.
    unsafe { exp::<L>(clamp(value, -87.0, 88.0)) }
}

/// [`exp_finite`] without the clamp. The result is not e^x below -87 or above 88.
///
/// # Safety
/// `x` must be between -100 and 100.
#[inline(always)]
unsafe fn exp<L: Lanes>(x: f32) -> f32 {
    // SAFETY: 100 * 2^24 < 2^31.
    let (n, scaled) = unsafe { (nearest(x * 1.44269504), nearest(x * 16777216.0)) };
    // r = x - n ln 2, as an integer in units of 2^-24. Nothing wraps; the wrapping functions only avoid overflow checks.
    let above = n.wrapping_mul(63442).wrapping_add(32768) >> 16;
    let units = scaled.wrapping_sub(n.wrapping_mul(11629079)).wrapping_sub(above);
    let r = if n == 0 { x } else { units as f32 * 5.9604645e-8 };
    let mut p = 1.9875691500e-4;
    p = L::mac1(p, r, 1.3981999507e-3);
    p = L::mac1(p, r, 8.3334519073e-3);
    p = L::mac1(p, r, 4.1665795894e-2);
    p = L::mac1(p, r, 1.6666665459e-1);
    p = L::mac1(p, r, 5.0000001201e-1);
    let e = L::mac1(p * r, r, r) + 1.0;
    e * f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// ln(1 + f) + n ln 2 for sqrt(1/2) <= 1 + f <= sqrt(2).
#[inline(always)]
fn log_near_one<L: Lanes>(f: f32, n: f32) -> f32 {
    let z = f * f;
    let mut p = 7.0376836292e-2;
    p = L::mac1(p, f, -1.1514610310e-1);
    p = L::mac1(p, f, 1.1676998740e-1);
    p = L::mac1(p, f, -1.2420140846e-1);
    p = L::mac1(p, f, 1.4249322787e-1);
    p = L::mac1(p, f, -1.6668057665e-1);
    p = L::mac1(p, f, 2.0000714765e-1);
    p = L::mac1(p, f, -2.4999993993e-1);
    p = L::mac1(p, f, 3.3333331174e-1);
    let mut y = p * f * z;
    y = L::mac1(n, -2.12194440e-4, y);
    y = L::mac1(-0.5, z, y);
    L::mac1(n, 0.693359375, f + y)
}

/// ln x within 2 ulp for positive normal x.
#[inline(always)]
pub fn log_positive<L: Lanes>(x: f32) -> f32 {
    let bits = x.to_bits();
    let e = (bits >> 23) as i32 - 126;
    let m = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000); // in [1/2, 1)
    if m < 0.70710678 { log_near_one::<L>(m + m - 1.0, (e - 1) as f32) } else { log_near_one::<L>(m - 1.0, e as f32) }
}

/// 1 / (1 + e^-x) within 4 ulp, from e^-|x| so that nothing overflows. Exactly 0 or 1 beyond |x| = 87.
#[inline(always)]
pub fn sigmoid<L: Lanes>(x: f32) -> f32 {
    quotient(x, exp_finite::<L>(-x.abs()))
}

/// [`sigmoid`] of an `x` that is known to be bounded.
///
/// # Safety
/// `x` must be between -100 and 100.
#[inline(always)]
pub unsafe fn sigmoid_within<L: Lanes>(x: f32) -> f32 {
    // SAFETY: upheld by the caller.
    quotient(x, unsafe { exp::<L>(-x.abs()) })
}

/// The sigmoid of `x`, where `e` is e^-|x|.
#[inline(always)]
fn quotient(x: f32, e: f32) -> f32 {
    let e = if x.abs() > 87.0 { 0.0 } else { e };
    (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
}

/// tanh x within 2 ulp, without cancellation near 0. NaN stays NaN.
#[inline(always)]
pub fn hyperbolic_tangent<L: Lanes>(x: f32) -> f32 {
    let t = clamp(x.abs(), 0.0, 44.0);
    let z = t * t;
    let mut p = -5.70498872745e-3;
    p = L::mac1(p, z, 2.06390887954e-2);
    p = L::mac1(p, z, -5.37397155531e-2);
    p = L::mac1(p, z, 1.33314422036e-1);
    p = L::mac1(p, z, -3.33332819422e-1);
    let near = L::mac1(p * z, t, t);
    // SAFETY: 2 t is between 0 and 88.
    let far = 1.0 - 2.0 / (unsafe { exp::<L>(2.0 * t) } + 1.0);
    let value = (if t < 0.625 { near } else { far }).copysign(x);
    if x.is_nan() { x } else { value }
}

/// ln(1 + e^-|x|) within 4 ulp.
#[inline(always)]
pub fn log1p_exp_neg_abs<L: Lanes>(x: f32) -> f32 {
    let e = exp_finite::<L>(-x.abs());
    if e < 0.41421356 { log_near_one::<L>(e, 0.0) } else { log_near_one::<L>(0.5 * e - 0.5, 1.0) }
}

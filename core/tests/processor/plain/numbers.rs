//! Functions of numbers, among them `mac`, in which the classes differ.

use lastbit_core::processor::Class;

/// The formulas of `shaders/shared/`.
#[derive(Clone, Copy)]
pub(super) struct Math {
    pub(super) class: Class,
}

#[allow(clippy::excessive_precision, clippy::approx_constant, reason = "numbers as the shaders write them")]
impl Math {
    /// acc + a * b, rounded once (fused) or twice (separate).
    #[inline]
    pub(super) fn mac(self, a: f32, b: f32, acc: f32) -> f32 {
        match self.class {
            Class::Fused => a.mul_add(b, acc),
            Class::Separate => a * b + acc,
        }
    }

    /// `coefficients[0] x^n + coefficients[1] x^(n-1) ...` by Horner's rule.
    pub(super) fn polynomial(self, x: f32, coefficients: &[f32]) -> f32 {
        coefficients[1..].iter().fold(coefficients[0], |p, coefficient| self.mac(p, x, *coefficient))
    }

    pub(super) fn exp_finite(self, value: f32) -> f32 {
        let x = clamp(value, -87.0, 88.0);
        let n = (x * 1.44269504).round_ties_even() as i32;
        let units = (x * 16777216.0).round_ties_even() as i32 - n * 11629079 - ((n * 63442 + 32768) >> 16);
        let r = if n == 0 { x } else { units as f32 * 5.9604645e-8 };
        let p = self.polynomial(
            r,
            &[1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1],
        );
        let e = self.mac(p * r, r, r) + 1.0;
        e * f32::from_bits(((n + 127) as u32) << 23)
    }

    pub(super) fn log_near_one(self, f: f32, n: f32) -> f32 {
        let z = f * f;
        let p = self.polynomial(
            f,
            &[
                7.0376836292e-2,
                -1.1514610310e-1,
                1.1676998740e-1,
                -1.2420140846e-1,
                1.4249322787e-1,
                -1.6668057665e-1,
                2.0000714765e-1,
                -2.4999993993e-1,
                3.3333331174e-1,
            ],
        );
        let y = self.mac(n, -2.12194440e-4, p * f * z);
        let y = self.mac(-0.5, z, y);
        self.mac(n, 0.693359375, f + y)
    }

    pub(super) fn log_positive(self, x: f32) -> f32 {
        let exponent = (x.to_bits() >> 23) as i32 - 126;
        let m = f32::from_bits((x.to_bits() & 0x007f_ffff) | 0x3f00_0000);
        if m < 0.70710678 {
            self.log_near_one(m + m - 1.0, (exponent - 1) as f32)
        } else {
            self.log_near_one(m - 1.0, exponent as f32)
        }
    }

    pub(super) fn sigmoid(self, x: f32) -> f32 {
        let e = if x.abs() > 87.0 { 0.0 } else { self.exp_finite(-x.abs()) };
        (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
    }

    pub(super) fn tanh(self, x: f32) -> f32 {
        if x.is_nan() {
            return x;
        }
        let t = x.abs().min(44.0);
        let near = || {
            let z = t * t;
            let coefficients =
                [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1];
            self.mac(self.polynomial(z, &coefficients) * z, t, t)
        };
        let magnitude = if t < 0.625 { near() } else { 1.0 - 2.0 / (self.exp_finite(2.0 * t) + 1.0) };
        magnitude.copysign(x)
    }

    pub(super) fn log1p_exp_neg_abs(self, x: f32) -> f32 {
        let e = self.exp_finite(-x.abs());
        if e < 0.41421356 { self.log_near_one(e, 0.0) } else { self.log_near_one(0.5 * e - 0.5, 1.0) }
    }

    /// Merges the counts, means and sums of squared distances of two sets.
    pub(super) fn chan_merge(self, a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
        if b[0] == 0.0 {
            return a;
        }
        if a[0] == 0.0 {
            return b;
        }
        let n = a[0] + b[0];
        let share = b[0] / n;
        let distance = b[1] - a[1];
        [n, self.mac(distance, share, a[1]), a[2] + self.mac(distance * distance, a[0] * share, b[2])]
    }
}

/// NaN becomes the lower bound, as in drivers that compute `min(max(x, low), high)`.
pub(super) fn clamp(x: f32, low: f32, high: f32) -> f32 {
    if x > low { x.min(high) } else { low }
}

pub(super) fn nan_unless(is_sound: bool, value: f32) -> f32 {
    if is_sound { value } else { f32::NAN }
}

/// Distance of two floats in units in the last place.
pub(super) fn ulps(a: u32, b: u32) -> u32 {
    // The rank of a float among all floats.
    let rank = |bits: u32| if bits >> 31 == 0 { bits as i32 } else { i32::MIN.wrapping_sub(bits as i32) };
    rank(a).abs_diff(rank(b))
}

/// 2|a-b| / (|a|+|b|) of two floats, given by their bits. Subnormal numbers count as zero.
pub(super) fn relative(a: u32, b: u32) -> f32 {
    if a == b {
        return 0.0;
    }
    let exponent = |bits: u32| bits & 0x7f80_0000;
    let top = exponent(a).max(exponent(b));
    if top == 0x7f80_0000 {
        return 2.0;
    }
    // Scales both by a power of two, away from the ends of the range, by adding to their exponents.
    let steps = match top {
        0..0x2000_0000 => 0x2000_0000,
        0x7d80_0001.. => -0x0200_0000,
        _ => 0,
    };
    let moved = |bits: u32| {
        let is_normal = exponent(bits) > 0 && exponent(bits) as i32 + steps > 0;
        if is_normal { f32::from_bits(bits.wrapping_add_signed(steps)) } else { 0.0 }
    };
    let (x, y) = (moved(a), moved(b));
    let sum = x.abs() + y.abs();
    if sum > 0.0 { 2.0 * ((x - y).abs() / sum) } else { 0.0 }
}

pub(super) fn avalanche(value: u32) -> u32 {
    let h = (value ^ (value >> 16)).wrapping_mul(0x85eb_ca6b);
    let h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

pub(super) fn mix(bits: u32, index: u32, tensor: u32, salt: u32) -> u32 {
    avalanche(bits ^ avalanche(index ^ avalanche(tensor ^ salt)))
}

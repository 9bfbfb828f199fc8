#import division
#import opaque
// exp, log, the sigmoid and tanh, from + - *, quotients and bit operations only. The built-in functions of drivers differ by many ulps
// (software drivers by thousands), so devices can be compared only if all of them use the same formula.

// Tests the bits, because compilers may assume that infinity and NaN do not occur.
fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

// `value`, or NaN if `is_sound` is false: bounds and clamps must not hide a value that is not finite.
fn nan_unless(is_sound: bool, value: f32) -> f32 {
    return bitcast<f32>(select(0x7fc00000u, bitcast<u32>(value), is_sound));
}

// e^x within 2 ulp for -87 <= x <= 88. Outside, x is clamped, so that the result is a finite normal number.
fn exp_finite(value: f32) -> f32 {
    let x = clamp(value, -87.0, 88.0);
    let n = i32(round(x * 1.44269504));
    // r = x - n ln 2, in integers of 2^-24: ln 2 = (11629079 + 63442 / 2^16) 2^-24. The common two-part ln 2 in floats does
    // not work here, because compilers may add its parts up again (Mesa does, and loses 6 bits).
    let units = i32(round(x * 16777216.0)) - n * 11629079 - ((n * 63442 + 32768) >> 16u);
    let r = select(f32(units) * 5.9604645e-8, x, n == 0);
    var p = 1.9875691500e-4;
    p = fma(p, r, 1.3981999507e-3);
    p = fma(p, r, 8.3334519073e-3);
    p = fma(p, r, 4.1665795894e-2);
    p = fma(p, r, 1.6666665459e-1);
    p = fma(p, r, 5.0000001201e-1);
    let e = opaque(fma(opaque(p * r), r, r)) + 1.0;
    // e * 2^n, which is a normal number.
    return bitcast<f32>(bitcast<u32>(e) + (u32(n) << 23u));
}

// ln(1 + f) + n ln 2 for sqrt(1/2) <= 1 + f <= sqrt(2).
fn log_near_one(f: f32, n: f32) -> f32 {
    let z = opaque(f * f);
    var p = 7.0376836292e-2;
    p = fma(p, f, -1.1514610310e-1);
    p = fma(p, f, 1.1676998740e-1);
    p = fma(p, f, -1.2420140846e-1);
    p = fma(p, f, 1.4249322787e-1);
    p = fma(p, f, -1.6668057665e-1);
    p = fma(p, f, 2.0000714765e-1);
    p = fma(p, f, -2.4999993993e-1);
    p = fma(p, f, 3.3333331174e-1);
    var y = opaque(opaque(p * f) * z);
    y = fma(n, -2.12194440e-4, y);
    y = fma(-0.5, z, y);
    return fma(n, 0.693359375, opaque(opaque(f) + opaque(y)));
}

// ln x within 2 ulp for positive normal x.
fn log_positive(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let e = i32(bits >> 23u) - 126;
    let m = bitcast<f32>((bits & 0x007fffffu) | 0x3f000000u); // in [1/2, 1)
    let low = m < 0.70710678;
    return log_near_one(select(m, 2.0 * m, low) - 1.0, f32(select(e, e - 1, low)));
}

// 1 / (1 + e^-x) within 4 ulp, from e^-|x| to avoid overflow. Beyond |x| = 87 it is 0 or 1, so that a large x times 0 is 0.
fn sigmoid(x: f32) -> f32 {
    let e = select(exp_finite(-abs(x)), 0.0, abs(x) > 87.0);
    return quotient(select(1.0, e, x < 0.0), 1.0 + e);
}

fn sigmoid4(x: vec4f) -> vec4f {
    return vec4f(sigmoid(x.x), sigmoid(x.y), sigmoid(x.z), sigmoid(x.w));
}

// tanh x within 2 ulp: near 0 an odd polynomial (Cephes), so that nothing cancels; else 1 - 2 / (e^2|x| + 1), which is 1 from |x| = 9.02.
// The sign is set and NaN returned by bits.
fn hyperbolic_tangent(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let magnitude = bits & 0x7fffffffu;
    let t = min(bitcast<f32>(magnitude), 44.0);
    let z = opaque(t * t);
    var p = -5.70498872745e-3;
    p = fma(p, z, 2.06390887954e-2);
    p = fma(p, z, -5.37397155531e-2);
    p = fma(p, z, 1.33314422036e-1);
    p = fma(p, z, -3.33332819422e-1);
    let near = fma(opaque(p * z), t, t);
    let far = 1.0 - quotient(2.0, exp_finite(2.0 * t) + 1.0);
    let value = bitcast<u32>(select(far, near, t < 0.625)) | (bits & 0x80000000u);
    return bitcast<f32>(select(value, 0x7fc00000u, magnitude > 0x7f800000u));
}

fn hyperbolic_tangent4(x: vec4f) -> vec4f {
    return vec4f(hyperbolic_tangent(x.x), hyperbolic_tangent(x.y), hyperbolic_tangent(x.z), hyperbolic_tangent(x.w));
}

// ln(1 + e^-|x|) within 4 ulp: the part of a cross-entropy that stays small.
fn log1p_exp_neg_abs(x: f32) -> f32 {
    let e = exp_finite(-abs(x));
    // Avoids 1 + e, which would round off a small e.
    let low = e < 0.41421356;
    return log_near_one(select(0.5 * e - 0.5, e, low), select(1.0, 0.0, low));
}

// exp, log and the sigmoid from + - * / and bits alone: drivers differ in theirs by many ulps (software ones by
// thousands), and the same formula everywhere is what lets devices be compared.

// e^x within 2 ulp for -87 <= x <= 88; clamped outside, so that the result stays a finite normal number.
fn exp_finite(value: f32) -> f32 {
    let x = clamp(value, -87.0, 88.0);
    let n = round(x * 1.44269504);
    // ln 2 in two parts; n * 0.693359375 is exact.
    let r = fma(n, 2.12194440e-4, fma(n, -0.693359375, x));
    var p = 1.9875691500e-4;
    p = fma(p, r, 1.3981999507e-3);
    p = fma(p, r, 8.3334519073e-3);
    p = fma(p, r, 4.1665795894e-2);
    p = fma(p, r, 1.6666665459e-1);
    p = fma(p, r, 5.0000001201e-1);
    let e = fma(p * r, r, r) + 1.0;
    return e * bitcast<f32>(u32(i32(n) + 127) << 23u);
}

// ln x within 2 ulp for positive normal x.
fn log_positive(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    var e = i32(bits >> 23u) - 126;
    var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f000000u); // in [1/2, 1)
    if (m < 0.70710678) {
        m = m + m;
        e -= 1;
    }
    let f = m - 1.0;
    let z = f * f;
    var p = 7.0376836292e-2;
    p = fma(p, f, -1.1514610310e-1);
    p = fma(p, f, 1.1676998740e-1);
    p = fma(p, f, -1.2420140846e-1);
    p = fma(p, f, 1.4249322787e-1);
    p = fma(p, f, -1.6668057665e-1);
    p = fma(p, f, 2.0000714765e-1);
    p = fma(p, f, -2.4999993993e-1);
    p = fma(p, f, 3.3333331174e-1);
    let n = f32(e);
    var y = p * f * z;
    y = fma(n, -2.12194440e-4, y);
    y = fma(-0.5, z, y);
    return fma(n, 0.693359375, f + y);
}

// 1 / (1 + e^-x), from e^-|x| so that nothing overflows.
fn sigmoid(x: f32) -> f32 {
    let e = exp_finite(-abs(x));
    return select(1.0, e, x < 0.0) / (1.0 + e);
}

fn sigmoid4(x: vec4f) -> vec4f {
    return vec4f(sigmoid(x.x), sigmoid(x.y), sigmoid(x.z), sigmoid(x.w));
}

// ln(1 + e^-|x|): the part of a cross-entropy that stays small.
fn log1p_exp_neg_abs(x: f32) -> f32 {
    let e = exp_finite(-abs(x));
    // For a small e, ln(1 + e) = e - e^2/2 + e^3/3 - ...; four terms are exact to float32 below 2^-6.
    let series = e * fma(e, fma(e, fma(e, -0.25, 0.33333333), -0.5), 1.0);
    return select(log_positive(1.0 + e), series, e < 0.015625);
}

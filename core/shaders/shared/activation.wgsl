#import math
// The activation of a layer. Constants: ACTIVATION (0 none, 1 ReLU, 2 Swish x * sigmoid(BETA x), 3 tanh) and BETA.
// Forward and backward pass start from the same pre-activation z, which the same function computes.

// BETA z, clamped to a range beyond which the sigmoid is 0 or 1: infinity times (1 - 1) would be NaN.
fn steepened(z: vec4f) -> vec4f {
    return clamp(BETA * z, vec4f(-100.0), vec4f(100.0));
}

fn activate(z: vec4f) -> vec4f {
    if (ACTIVATION == 1u) {
        // Selects -0 to -infinity by their bits. A driver that assumes that NaN does not occur turns a comparison of floats into
        // a maximum. That would replace NaN by 0 and hide that a network has blown up.
        return select(z, vec4f(0.0), bitcast<vec4u>(z) - vec4u(0x80000000u) <= vec4u(0x7f800000u));
    }
    if (ACTIVATION == 2u) {
        return z * sigmoid4(steepened(z));
    }
    if (ACTIVATION == 3u) {
        return hyperbolic_tangent4(z);
    }
    return z;
}

// Derivative of the activation at z. ReLU's derivative at 0 is 0.
fn activate_slope(z: vec4f) -> vec4f {
    if (ACTIVATION == 1u) {
        return select(vec4f(0.0), vec4f(1.0), z > vec4f(0.0));
    }
    if (ACTIVATION == 2u) {
        let t = steepened(z);
        let s = sigmoid4(t);
        return fma(opaque4(t * s), vec4f(1.0) - s, s);
    }
    if (ACTIVATION == 3u) {
        let a = hyperbolic_tangent4(z);
        return fma(-a, a, vec4f(1.0));
    }
    return vec4f(1.0);
}

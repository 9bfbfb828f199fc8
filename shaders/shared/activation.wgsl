#import math
// The activation of a layer. Constants: ACTIVATION (0 none, 1 ReLU, 2 Swish x * sigmoid(BETA x)) and BETA.
// Forward and backward both start from the same pre-activation z, computed by the same function.

// BETA z, bounded: the sigmoid has reached 0 or 1 by then, and infinity times 1 - 1 would be NaN.
fn steepened(z: vec4f) -> vec4f {
    return clamp(BETA * z, vec4f(-100.0), vec4f(100.0));
}

fn activate(z: vec4f) -> vec4f {
    if (ACTIVATION == 1u) {
        // By the bits, of -0 to -infinity: a driver that assumes that there is no NaN makes a maximum of a comparison of floats,
        // which turns NaN into 0 and lets a network that has blown up look healthy.
        return select(z, vec4f(0.0), bitcast<vec4u>(z) - vec4u(0x80000000u) <= vec4u(0x7f800000u));
    }
    if (ACTIVATION == 2u) {
        return z * sigmoid4(steepened(z));
    }
    return z;
}

// Derivative of the activation at z; ReLU's at 0 is 0, as everywhere.
fn activate_slope(z: vec4f) -> vec4f {
    if (ACTIVATION == 1u) {
        return select(vec4f(0.0), vec4f(1.0), z > vec4f(0.0));
    }
    if (ACTIVATION == 2u) {
        let t = steepened(z);
        let s = sigmoid4(t);
        return fma(t * s, vec4f(1.0) - s, s);
    }
    return vec4f(1.0);
}

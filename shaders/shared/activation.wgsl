#import math
// The activation of a layer. Constants: ACTIVATION (0 none, 1 ReLU, 2 Swish x * sigmoid(BETA x)) and BETA.
// Forward and backward both start from the same pre-activation z, computed by the same function.

fn activate(z: vec4f) -> vec4f {
    if (ACTIVATION == 1u) {
        return max(z, vec4f(0.0));
    }
    if (ACTIVATION == 2u) {
        return z * sigmoid4(BETA * z);
    }
    return z;
}

// Derivative of the activation at z; ReLU's at 0 is 0, as everywhere.
fn activate_slope(z: vec4f) -> vec4f {
    if (ACTIVATION == 1u) {
        return select(vec4f(0.0), vec4f(1.0), z > vec4f(0.0));
    }
    if (ACTIVATION == 2u) {
        let s = sigmoid4(BETA * z);
        return fma(BETA * z * s, vec4f(1.0) - s, s);
    }
    return vec4f(1.0);
}

// Batch norm's output before the activation. `channel` is (mean, 1 / sqrt(var + eps), scale, shift).
fn normalize(y: vec4f, channel: vec4f) -> vec4f {
    return (y - vec4f(channel.x)) * channel.y;
}

fn scale_and_shift(normalized: vec4f, channel: vec4f) -> vec4f {
    return fma(normalized, vec4f(channel.z), vec4f(channel.w));
}

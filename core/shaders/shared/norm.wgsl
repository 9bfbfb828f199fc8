#import opaque
// Batch norm's output before the activation. `channel` is (mean, 1 / sqrt(var + eps), scale, shift). Forward and backward
// pass use the same two functions.

fn normalize(y: vec4f, channel: vec4f) -> vec4f {
    return opaque4((y - vec4f(channel.x)) * channel.y);
}

fn scale_and_shift(normalized: vec4f, channel: vec4f) -> vec4f {
    return fma(normalized, vec4f(channel.z), vec4f(channel.w));
}

#import division
#import math
#import opaque
// Sigmoid and binary cross-entropy, one sample per thread: loss = max(l, 0) - l * label + ln(1 + e^-|l|), 1 if the sign of
// the logit is that of the label, and dlogit = (sigmoid(l) - label) / N. The loss of a logit that is not finite is NaN.

@group(0) @binding(1) var<storage, read> logits: array<f32>;             // [R][N]
@group(0) @binding(2) var<storage, read> labels: array<u32>;             // [N], 0 or 1
@group(0) @binding(3) var<storage, read_write> dlogits: array<f32>;      // [R][N]
@group(0) @binding(4) var<storage, read_write> scores: array<vec2f>;     // [R][N]: loss, 1 if correct

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n = (job.first_tile + tile.x) * 64u + lane;
    if (n >= job.samples) {
        return;
    }
    let sample = tile.y * job.samples + n;
    let logit = logits[sample];
    let label = f32(labels[n]);
    dlogits[sample] = quotient(sigmoid(logit) - label, f32(job.samples));
    // The bound keeps the sum over a batch from overflowing.
    let loss = min(max(logit, 0.0) - opaque(logit * label), 1e30) + opaque(log1p_exp_neg_abs(logit));
    scores[sample] = vec2f(nan_unless(is_finite(logit), loss), select(0.0, 1.0, (logit > 0.0) == (label > 0.5)));
}

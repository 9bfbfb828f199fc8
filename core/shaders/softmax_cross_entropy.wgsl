#import division
#import math
#import opaque
// Softmax cross-entropy, one sample per thread: loss = ln(sum of e^(l - max)) - (l_label - max), 1 if the largest logit is
// that of the label (a tie goes to the first), and dlogit = (softmax - onehot) / N. The loss of logits that are not finite
// is NaN.
// Constants: K.

@group(0) @binding(1) var<storage, read> logits: array<f32>;             // [R][N][K]
@group(0) @binding(2) var<storage, read> labels: array<u32>;             // [N]
@group(0) @binding(3) var<storage, read_write> dlogits: array<f32>;      // [R][N][K]
@group(0) @binding(4) var<storage, read_write> scores: array<vec2f>;     // [R][N]: loss, 1 if correct

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n = (job.first_tile + tile.x) * 64u + lane;
    if (n >= job.samples) {
        return;
    }
    let sample = tile.y * job.samples + n;
    let at = sample * K;
    var largest = logits[at];
    var winner = 0u;
    for (var k = 1u; k < K; k++) {
        if (logits[at + k] > largest) {
            largest = logits[at + k];
            winner = k;
        }
    }
    var sum = 0.0;
    var is_sound = true;
    for (var k = 0u; k < K; k++) {
        is_sound = is_sound && is_finite(logits[at + k]);
        sum = opaque(sum + exp_finite(logits[at + k] - largest));
    }
    let label = labels[n];
    for (var k = 0u; k < K; k++) {
        let p = quotient(exp_finite(logits[at + k] - largest), sum);
        dlogits[at + k] = quotient(p - select(0.0, 1.0, k == label), f32(job.samples));
    }
    // The bound keeps the sum over a batch from overflowing.
    let loss = opaque(log_positive(sum)) + min(largest - logits[at + label], 1e30);
    scores[sample] = vec2f(nan_unless(is_sound, loss), select(0.0, 1.0, winner == label));
}

#import division
#import mac
#import math
// Squared error, one sample per thread: loss = 1/2 sum over k of (logit - onehot)^2, k in turn, 1 if the largest logit is that of the
// label (a tie goes to the first), and dlogit = (logit - onehot) / N. The loss of logits that are not finite is NaN.
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
    let label = labels[n];
    var largest = logits[at];
    var winner = 0u;
    var sum = 0.0;
    var is_sound = true;
    for (var k = 0u; k < K; k++) {
        let logit = logits[at + k];
        if (logit > largest) {
            largest = logit;
            winner = k;
        }
        is_sound = is_sound && is_finite(logit);
        let residual = logit - select(0.0, 1.0, k == label);
        dlogits[at + k] = quotient(residual, f32(job.samples));
        // The bound keeps the sum over a batch from overflowing.
        let bounded = clamp(residual, -1e15, 1e15);
        sum = mac(bounded, bounded, sum);
    }
    scores[sample] = vec2f(nan_unless(is_sound, 0.5 * sum), select(0.0, 1.0, winner == label));
}

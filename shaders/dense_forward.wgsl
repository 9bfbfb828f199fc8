#import mac
// logit[n,k] = bias[k] + sum over c of weight[k,c] * feature[n,c], in this order. A thread computes one logit.
// Constants: C, K, SHARED_INPUT.

@group(0) @binding(1) var<storage, read> features: array<f32>;        // [R][N][C], or [N][C] with SHARED_INPUT
@group(0) @binding(2) var<storage, read> weight: array<f32>;          // arena from the weight [K][C]
@group(0) @binding(3) var<storage, read> bias: array<f32>;            // arena from the bias [K]
@group(0) @binding(4) var<storage, read_write> logits: array<f32>;    // [R][N][K]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let t = (job.first_tile + tile.x) * 64u + lane;
    if (t >= job.samples * K) {
        return;
    }
    let k = t % K;
    let n = t / K;
    let p = tile.y * job.parameter_stride;
    let feature = (select(tile.y * job.samples, 0u, SHARED_INPUT) + n) * C;
    var acc = bias[p + k];
    for (var c = 0u; c < C; c++) {
        acc = mac(weight[p + k * C + c], features[feature + c], acc);
    }
    logits[tile.y * job.samples * K + t] = acc;
}

#import mac
// dweight[k,c] = sum over n of dlogit[n,k] * feature[n,c]; dbias[k] = sum over n of dlogit[n,k]. A thread computes
// one element.
// Order: samples in turn, one accumulator. Constants: C, K, SHARED_INPUT.

@group(0) @binding(1) var<storage, read> features: array<f32>;              // [R][N][C], or [N][C] with SHARED_INPUT
@group(0) @binding(2) var<storage, read> dlogits: array<f32>;               // [R][N][K]
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;        // arena from the weight

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let t = (job.first_tile + tile.x) * 64u + lane;
    if (t >= K * (C + 1u)) {
        return;
    }
    let k = t / (C + 1u);
    let c = t % (C + 1u); // column C is the bias
    var acc = 0.0;
    for (var n = 0u; n < job.samples; n++) {
        let sample = tile.y * job.samples + n;
        let own = select(sample, n, SHARED_INPUT);
        let feature = select(1.0, features[own * C + min(c, C - 1u)], c < C);
        acc = mac(feature, dlogits[sample * K + k], acc);
    }
    // job.weight_to_bias: elements from the weight to the bias in the arena.
    let at = select(job.weight_to_bias + k, k * C + c, c < C);
    gradient[tile.y * job.parameter_stride + at] = acc;
}

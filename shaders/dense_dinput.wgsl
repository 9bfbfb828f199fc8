#import mac
// dfeature[n,c] = sum over k of weight[k,c] * dlogit[n,k], in this order. A thread computes one feature.
// Constants: C, K.

@group(0) @binding(1) var<storage, read> dlogits: array<f32>;           // [R][N][K]
@group(0) @binding(2) var<storage, read> weight: array<f32>;            // arena from the weight [K][C]
@group(0) @binding(3) var<storage, read_write> dfeatures: array<f32>;   // [R][N][C]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let t = (job.first_tile + tile.x) * 64u + lane;
    if (t >= job.samples * C) {
        return;
    }
    let c = t % C;
    let n = t / C;
    var acc = 0.0;
    for (var k = 0u; k < K; k++) {
        acc = mac(weight[tile.y * job.parameter_stride + k * C + c], dlogits[(tile.y * job.samples + n) * K + k], acc);
    }
    dfeatures[tile.y * job.samples * C + t] = acc;
}

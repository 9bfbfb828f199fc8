#import mac
// dfeature[n,c] = sum over k of weight[k,c] * dlogit[n,k], in this order. A thread computes 4 samples x 4 features, so that 8 loads
// serve 16 multiply-adds. Beyond the last sample or feature it computes the last one again and writes nothing.
// Constants: C, K.

@group(0) @binding(1) var<storage, read> dlogits: array<f32>;           // [R][N][K]
@group(0) @binding(2) var<storage, read> weight: array<f32>;            // arena from the weight [K][C]
@group(0) @binding(3) var<storage, read_write> dfeatures: array<f32>;   // [R][N][C]

const QUADS_C = (C + 3u) / 4u;
const LANES = vec4u(0u, 1u, 2u, 3u);

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let t = (job.first_tile + tile.x) * 64u + lane;
    if (t >= (job.samples + 3u) / 4u * QUADS_C) {
        return;
    }
    let column = t % QUADS_C * 4u;
    let n = t / QUADS_C * 4u;
    let w = tile.y * job.parameter_stride + min(column + LANES, vec4u(C - 1u));
    let g = (tile.y * job.samples + min(n + LANES, vec4u(job.samples - 1u))) * K;
    var sum0 = vec4f(0.0);
    var sum1 = sum0;
    var sum2 = sum0;
    var sum3 = sum0;
    for (var k = 0u; k < K; k++) {
        let row = w + k * C;
        let v = vec4f(weight[row.x], weight[row.y], weight[row.z], weight[row.w]);
        sum0 = mac4(dlogits[g.x + k], v, sum0);
        sum1 = mac4(dlogits[g.y + k], v, sum1);
        sum2 = mac4(dlogits[g.z + k], v, sum2);
        sum3 = mac4(dlogits[g.w + k], v, sum3);
    }
    let sums = array<vec4f, 4>(sum0, sum1, sum2, sum3);
    for (var i = 0u; i < 4u; i++) {
        if (n + i < job.samples) {
            let at = (tile.y * job.samples + n + i) * C + column;
            for (var j = 0u; j < 4u; j++) {
                if (column + j < C) {
                    dfeatures[at + j] = sums[i][j];
                }
            }
        }
    }
}

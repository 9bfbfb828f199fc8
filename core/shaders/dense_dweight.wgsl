#import mac
// dweight[k,c] = sum over n of dlogit[n,k] * feature[n,c]; dbias[k] = sum over n of dlogit[n,k]. A thread computes 4 units x 4
// columns, so that 8 loads serve 16 multiply-adds. Beyond the last unit or column it writes nothing.
// Order: samples in turn, one accumulator. Constants: C, K, SHARED_INPUT.

@group(0) @binding(1) var<storage, read> features: array<f32>;              // [R][N][C], or [N][C] with SHARED_INPUT
@group(0) @binding(2) var<storage, read> dlogits: array<f32>;               // [R][N][K]
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;        // arena from the weight

const COLUMNS = C + 1u; // column C is the bias
const QUADS = (COLUMNS + 3u) / 4u;
const LANES = vec4u(0u, 1u, 2u, 3u);

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let t = (job.first_tile + tile.x) * 64u + lane;
    if (t >= (K + 3u) / 4u * QUADS) {
        return;
    }
    let k = t / QUADS * 4u;
    let column = t % QUADS * 4u;
    let has_feature = column + LANES < vec4u(C);
    var x = select(tile.y * job.samples, 0u, SHARED_INPUT) * C + min(column + LANES, vec4u(C - 1u));
    var g = tile.y * job.samples * K + min(k + LANES, vec4u(K - 1u));
    var sum0 = vec4f(0.0);
    var sum1 = sum0;
    var sum2 = sum0;
    var sum3 = sum0;
    for (var n = 0u; n < job.samples; n++) {
        let row = vec4f(features[x.x], features[x.y], features[x.z], features[x.w]);
        let v = select(vec4f(1.0), row, has_feature);
        sum0 = mac4(dlogits[g.x], v, sum0);
        sum1 = mac4(dlogits[g.y], v, sum1);
        sum2 = mac4(dlogits[g.z], v, sum2);
        sum3 = mac4(dlogits[g.w], v, sum3);
        x += vec4u(C);
        g += vec4u(K);
    }
    let sums = array<vec4f, 4>(sum0, sum1, sum2, sum3);
    for (var i = 0u; i < 4u; i++) {
        if (k + i < K) {
            for (var j = 0u; j < 4u; j++) {
                if (column + j < COLUMNS) {
                    // job.weight_to_bias: elements from the weight to the bias in the arena.
                    let at = select(job.weight_to_bias + k + i, (k + i) * C + column + j, column + j < C);
                    gradient[tile.y * job.parameter_stride + at] = sums[i][j];
                }
            }
        }
    }
}

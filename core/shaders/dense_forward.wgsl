#import mac
// logit[n,k] = bias[k] + sum over c of weight[k,c] * feature[n,c], in this order. A thread computes 4 samples x 4 units, so that
// 8 loads serve 16 multiply-adds. Beyond the last sample or unit it computes the last one again and writes nothing.
// Constants: C, K, SHARED_INPUT.

@group(0) @binding(1) var<storage, read> features: array<f32>;        // [R][N][C], or [N][C] with SHARED_INPUT
@group(0) @binding(2) var<storage, read> weight: array<f32>;          // arena from the weight [K][C]
@group(0) @binding(3) var<storage, read> bias: array<f32>;            // arena from the bias [K]
@group(0) @binding(4) var<storage, read_write> logits: array<f32>;    // [R][N][K]

const QUADS_K = (K + 3u) / 4u;
const LANES = vec4u(0u, 1u, 2u, 3u);

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let t = (job.first_tile + tile.x) * 64u + lane;
    if (t >= (job.samples + 3u) / 4u * QUADS_K) {
        return;
    }
    let k = t % QUADS_K * 4u;
    let n = t / QUADS_K * 4u;
    let p = tile.y * job.parameter_stride;
    let units = min(k + LANES, vec4u(K - 1u));
    let w = p + units * C;
    let x = (select(tile.y * job.samples, 0u, SHARED_INPUT) + min(n + LANES, vec4u(job.samples - 1u))) * C;
    var sum0 = vec4f(bias[p + units.x], bias[p + units.y], bias[p + units.z], bias[p + units.w]);
    var sum1 = sum0;
    var sum2 = sum0;
    var sum3 = sum0;
    for (var i = 0u; i < C; i++) {
        let v = vec4f(weight[w.x + i], weight[w.y + i], weight[w.z + i], weight[w.w + i]);
        sum0 = mac4(features[x.x + i], v, sum0);
        sum1 = mac4(features[x.y + i], v, sum1);
        sum2 = mac4(features[x.z + i], v, sum2);
        sum3 = mac4(features[x.w + i], v, sum3);
    }
    let sums = array<vec4f, 4>(sum0, sum1, sum2, sum3);
    for (var i = 0u; i < 4u; i++) {
        if (n + i < job.samples) {
            let at = (tile.y * job.samples + n + i) * K + k;
            for (var j = 0u; j < 4u; j++) {
                if (k + j < K) {
                    logits[at + j] = sums[i][j];
                }
            }
        }
    }
}

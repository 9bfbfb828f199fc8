#import mac
// Gradient of the valid convolution by its kernel, as one partial sum for each image and row of dy:
// partial[n,h][kh][kw] = sum over w of dy[n,h,w] * x[n,h+kh,w+kw], w in turn. A thread computes up to 16 neighbouring kw
// of one kh, so that each vector of x serves up to four vectors of kw. conv_dweight_reduce adds the rows.
// Constants: HEIGHT, WIDTH (of dy), KERNEL, X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units).

@group(0) @binding(1) var<storage, read> x: array<vec4f>;                // planes [N], shared by all replicas
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;               // planes [R][N]
@group(0) @binding(3) var<storage, read_write> partial: array<vec4f>;    // [R][N HEIGHT][KERNEL][QUADS_K]

const QUADS_W = (WIDTH + 3u) / 4u;
const QUADS_K = (KERNEL + 3u) / 4u;
const QUADS = min(QUADS_K, 4u);
const GROUPS = (QUADS_K + QUADS - 1u) / QUADS;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let t = (job.first_tile + tile.x) * 64u + lane;
    if (t >= job.samples * HEIGHT * KERNEL * GROUPS) {
        return;
    }
    let q = (t % GROUPS) * QUADS;
    let kh = (t / GROUPS) % KERNEL;
    let h = (t / (GROUPS * KERNEL)) % HEIGHT;
    let n = t / (GROUPS * KERNEL * HEIGHT);
    let r = tile.y;
    let xi = n * X_PLANE + (h + kh + 1u) * X_ROW + 1u + q;
    let yi = (r * job.samples + n) * Y_PLANE + (h + 1u) * Y_ROW + 1u;
    var acc: array<vec4f, QUADS>;
    var near: array<vec4f, QUADS>;
    for (var j = 0u; j < QUADS; j++) {
        near[j] = x[xi + j];
    }
    for (var i = 0u; i < QUADS_W; i++) {
        let d = dy[yi + i];
        let next = x[xi + i + QUADS];
        for (var j = 0u; j < QUADS; j++) {
            let a = near[j];
            var b = next;
            if (j + 1u < QUADS) {
                b = near[min(j + 1u, QUADS - 1u)];
            }
            acc[j] = mac4(d.x, a, acc[j]);
            acc[j] = mac4(d.y, vec4f(a.yzw, b.x), acc[j]);
            acc[j] = mac4(d.z, vec4f(a.zw, b.xy), acc[j]);
            acc[j] = mac4(d.w, vec4f(a.w, b.xyz), acc[j]);
            near[j] = b;
        }
    }
    let at = (((r * job.samples + n) * HEIGHT + h) * KERNEL + kh) * QUADS_K;
    for (var j = 0u; j < QUADS; j++) {
        if (q + j < QUADS_K) {
            partial[at + q + j] = acc[j] * column_mask((q + j) * 4u, KERNEL);
        }
    }
}

#import mac
// Gradient of the valid convolution by its kernel, one partial sum for each row of dy and image:
// partial[n,h][kh][kw] = sum over w of dy[n,h,w] * x[n,h+kh,w+kw], w in turn. A thread computes 4 neighbouring kw of
// one kh. conv_dweight_reduce adds the rows.
// Constants: HEIGHT, WIDTH (of dy), KERNEL, X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units).

@group(0) @binding(1) var<storage, read> x: array<vec4f>;                // planes [N], shared by all replicas
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;               // planes [R][N]
@group(0) @binding(3) var<storage, read_write> partial: array<vec4f>;    // [R][N HEIGHT][KERNEL][QUADS_K]

const QUADS_W = (WIDTH + 3u) / 4u;
const QUADS_K = (KERNEL + 3u) / 4u;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let t = (job.first_tile + tile.x) * 64u + lane;
    if (t >= job.samples * HEIGHT * KERNEL * QUADS_K) {
        return;
    }
    let q = t % QUADS_K;
    let kh = (t / QUADS_K) % KERNEL;
    let h = (t / (QUADS_K * KERNEL)) % HEIGHT;
    let n = t / (QUADS_K * KERNEL * HEIGHT);
    let r = tile.y;
    let xi = n * X_PLANE + (h + kh + 1u) * X_ROW + 1u + q;
    let yi = (r * job.samples + n) * Y_PLANE + (h + 1u) * Y_ROW + 1u;
    var acc = vec4f(0.0);
    var a = x[xi];
    for (var i = 0u; i < QUADS_W; i++) {
        let d = dy[yi + i];
        let b = x[xi + i + 1u];
        acc = mac4(d.x, a, acc);
        acc = mac4(d.y, vec4f(a.yzw, b.x), acc);
        acc = mac4(d.z, vec4f(a.zw, b.xy), acc);
        acc = mac4(d.w, vec4f(a.w, b.xyz), acc);
        a = b;
    }
    partial[r * job.samples * HEIGHT * KERNEL * QUADS_K + t] = acc * column_mask(q * 4u, KERNEL);
}

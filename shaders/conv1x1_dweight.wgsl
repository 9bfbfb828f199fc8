#import mac
// Gradient of a 1x1 convolution (stride 1 or 2) by its weights, one partial sum for each block of pixels:
// partial[block][k][c] = sum over the block of dy[n,k,h,w] * x[n,c,S h,S w]. Blocks and order as in conv3x3_dweight.
// A thread computes 4 output channels x 4 input channels.
// Constants: C, K, HEIGHT, WIDTH (of dy), STRIDE, X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units), IMAGES, SHARED_INPUT.

@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>; // [R][blocks][K][C]

const STRIPS = (WIDTH + 3u) / 4u;
const GROUPS_C = (C + 3u) / 4u;
const GROUPS_K = (K + 3u) / 4u;
const THREADS = GROUPS_C * GROUPS_K;

fn pixels(at: u32) -> vec4f {
    if (STRIDE == 1u) {
        return x[at];
    }
    return vec4f(x[at].xz, x[at + 1u].xz);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let blocks = STRIPS * ((job.samples + IMAGES - 1u) / IMAGES);
    let thread = (job.first_tile + tile.x) * 64u + lane;
    let t = min(thread, THREADS * blocks - 1u);
    let c = (t % GROUPS_C) * 4u;
    let k = ((t / GROUPS_C) % GROUPS_K) * 4u;
    let block = t / THREADS;
    let strip = block % STRIPS;
    let first_image = (block / STRIPS) * IMAGES;
    let r = tile.y;

    // Groups may reach beyond C and K; those lanes read the last channel again and write nothing.
    let cs = min(vec4u(c) + vec4u(0u, 1u, 2u, 3u), vec4u(C - 1u)) * X_PLANE;
    let ks = min(vec4u(k) + vec4u(0u, 1u, 2u, 3u), vec4u(K - 1u)) * Y_PLANE;
    let images = min(IMAGES, job.samples - first_image);
    var acc: array<vec4f, 4>; // [k], lanes are c
    for (var i = 0u; i < images; i++) {
        let n = first_image + i;
        let input_sample = select(r * job.samples + n, n, SHARED_INPUT);
        var xi = input_sample * C * X_PLANE + X_ROW + 1u + STRIDE * strip;
        var yi = (r * job.samples + n) * K * Y_PLANE + Y_ROW + 1u + strip;
        for (var h = 0u; h < HEIGHT; h++) {
            let a = pixels(xi + cs.x);
            let b = pixels(xi + cs.y);
            let e = pixels(xi + cs.z);
            let f = pixels(xi + cs.w);
            let d = array<vec4f, 4>(dy[yi + ks.x], dy[yi + ks.y], dy[yi + ks.z], dy[yi + ks.w]);
            for (var j = 0u; j < 4u; j++) {
                acc[j] = mac4(d[j].x, vec4f(a.x, b.x, e.x, f.x), acc[j]);
                acc[j] = mac4(d[j].y, vec4f(a.y, b.y, e.y, f.y), acc[j]);
                acc[j] = mac4(d[j].z, vec4f(a.z, b.z, e.z, f.z), acc[j]);
                acc[j] = mac4(d[j].w, vec4f(a.w, b.w, e.w, f.w), acc[j]);
            }
            xi += STRIDE * X_ROW;
            yi += Y_ROW;
        }
    }
    if (thread >= THREADS * blocks) {
        return;
    }
    for (var j = 0u; j < 4u; j++) {
        for (var l = 0u; l < 4u; l++) {
            if (k + j < K && c + l < C) {
                partial[((r * blocks + block) * K + k + j) * C + c + l] = acc[j][l];
            }
        }
    }
}

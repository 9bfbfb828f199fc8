#import mac
// Gradient of a 1x1 convolution (stride 1 or 2) by its weights, one partial sum for each block of pixels:
// partial[block][k][c] = sum over the block of dy[n,k,h,w] * x[n,c,S h,S w]. Blocks and order as in conv3x3_dweight.
// A thread computes TILE_K output channels x TILE_C input channels (a multiple of 4).
// Constants: C, K, HEIGHT, WIDTH (of dy), STRIDE, X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units), IMAGES,
// TILE_C, TILE_K, SHARED_INPUT.

@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>; // [R][blocks][K][C]

const STRIPS = (WIDTH + 3u) / 4u;
const GROUPS_C = (C + TILE_C - 1u) / TILE_C;
const GROUPS_K = (K + TILE_K - 1u) / TILE_K;
const VECTORS = TILE_C / 4u;
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
    let c = (t % GROUPS_C) * TILE_C;
    let k = ((t / GROUPS_C) % GROUPS_K) * TILE_K;
    let block = t / THREADS;
    let strip = block % STRIPS;
    let first_image = (block / STRIPS) * IMAGES;
    let r = tile.y;

    // Groups may reach beyond C and K; those lanes read the last channel again and write nothing.
    var cs: array<u32, TILE_C>;
    for (var j = 0u; j < TILE_C; j++) {
        cs[j] = min(c + j, C - 1u) * X_PLANE;
    }
    var ks: array<u32, TILE_K>;
    for (var j = 0u; j < TILE_K; j++) {
        ks[j] = min(k + j, K - 1u) * Y_PLANE;
    }
    let images = min(IMAGES, job.samples - first_image);
    var acc: array<array<vec4f, VECTORS>, TILE_K>; // [k][c / 4], lanes are c
    for (var i = 0u; i < images; i++) {
        let n = first_image + i;
        let input_sample = select(r * job.samples + n, n, SHARED_INPUT);
        var xi = input_sample * C * X_PLANE + X_ROW + 1u + STRIDE * strip;
        var yi = (r * job.samples + n) * K * Y_PLANE + Y_ROW + 1u + strip;
        for (var h = 0u; h < HEIGHT; h++) {
            // Transposed: lanes become channels.
            var p0: array<vec4f, VECTORS>;
            var p1: array<vec4f, VECTORS>;
            var p2: array<vec4f, VECTORS>;
            var p3: array<vec4f, VECTORS>;
            for (var l = 0u; l < VECTORS; l++) {
                let a = pixels(xi + cs[4u * l]);
                let b = pixels(xi + cs[4u * l + 1u]);
                let e = pixels(xi + cs[4u * l + 2u]);
                let f = pixels(xi + cs[4u * l + 3u]);
                p0[l] = vec4f(a.x, b.x, e.x, f.x);
                p1[l] = vec4f(a.y, b.y, e.y, f.y);
                p2[l] = vec4f(a.z, b.z, e.z, f.z);
                p3[l] = vec4f(a.w, b.w, e.w, f.w);
            }
            for (var j = 0u; j < TILE_K; j++) {
                let d = dy[yi + ks[j]];
                for (var l = 0u; l < VECTORS; l++) {
                    acc[j][l] = mac4(d.w, p3[l], mac4(d.z, p2[l], mac4(d.y, p1[l], mac4(d.x, p0[l], acc[j][l]))));
                }
            }
            xi += STRIDE * X_ROW;
            yi += Y_ROW;
        }
    }
    if (thread >= THREADS * blocks) {
        return;
    }
    let first = (r * blocks + block) * K;
    for (var l = 0u; l < VECTORS; l++) {
        for (var j = 0u; j < TILE_K; j++) {
            store(first, k + j, c + 4u * l, acc[j][l]);
        }
    }
}

fn store(first: u32, k: u32, c: u32, sums: vec4f) {
    let at = (first + k) * C + c;
    for (var l = 0u; l < 4u; l++) {
        if (k < K && c + l < C) {
            partial[at + l] = sums[l];
        }
    }
}

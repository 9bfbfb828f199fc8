#import mac
// Gradients by the weights of conv_down_forward, as partial sums for each block of pixels:
// partial[block][k][c][kh][kw] = sum over the block of dy[n,k,h,w] * x[n,c,2h+kh-1,2w+kw-1],
// partial_shortcut[block][k][c] = sum over the block of ds[n,k,h,w] * x[n,c,2h,2w].
//
// Blocks and order as in conv3x3_dweight. A thread computes 9 taps and the shortcut of TILE_K x TILE_C channels.
// Constants: C, K, HEIGHT, WIDTH (of dy), X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units), IMAGES, TILE_C (at most 8),
// TILE_K (at most 16), LANES.

@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read> ds: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;          // [R][blocks][K][C][9]
@group(0) @binding(5) var<storage, read_write> partial_shortcut: array<f32>; // [R][blocks][K][C]

const STRIPS = (WIDTH + 3u) / 4u;
const GROUPS_C = (C + TILE_C - 1u) / TILE_C;
const GROUPS_K = (K + TILE_K - 1u) / TILE_K;
const THREADS = GROUPS_C * GROUPS_K;

// Columns 2 w - 1 ... 2 w + 7 of a row of x.
struct Window {
    left: f32,
    near: vec4f,
    far: vec4f,
}

// A large tile has parts, for the reason that weight_tile.wgsl states.
const PART_K = min(TILE_K, 32u / TILE_C);
const PARTS = TILE_K / PART_K;
const_assert PARTS * PART_K == TILE_K && (PARTS == 1u || PARTS == 2u || PARTS == 4u);

alias Windows = array<Window, TILE_C>; // [c]
alias Channels = array<u32, TILE_K>; // [k], offset of each channel

// Gradients of both layers for one part.
struct Sums {
    taps: array<array<array<vec3f, 3>, TILE_C>, PART_K>, // [k][c][kh], lanes are kw
    shortcut: array<array<f32, TILE_C>, PART_K>,
}

fn windows(at: u32, cs: ptr<function, array<u32, TILE_C>>) -> Windows {
    var w: Windows;
    for (var l = 0u; l < TILE_C; l++) {
        let i = at + (*cs)[l];
        w[l] = Window(x[i].w, x[i + 1u], x[i + 2u]);
    }
    return w;
}

fn add_row(d: vec4f, v: Window, acc: vec3f) -> vec3f {
    return mac3(d.w, v.far.yzw, mac3(d.z, vec3f(v.near.w, v.far.xy), mac3(d.y, v.near.yzw, mac3(d.x, vec3f(v.left, v.near.xy), acc))));
}

fn add_centre(d: vec4f, v: Window, acc: f32) -> f32 {
    return mac(d.w, v.far.z, mac(d.z, v.far.x, mac(d.y, v.near.z, mac(d.x, v.near.x, acc))));
}

// Adds the products of three rows of x with the row of dy at `yi`, and of the middle row with the row of ds at `yi`, for the part
// that begins at output channel k.
fn add_part(
    acc: ptr<function, Sums>,
    v0: ptr<function, Windows>,
    v1: ptr<function, Windows>,
    v2: ptr<function, Windows>,
    ks: ptr<function, Channels>,
    yi: u32,
    k: u32,
) {
    for (var j = 0u; j < PART_K; j++) {
        let d = dy[yi + (*ks)[k + j]];
        for (var l = 0u; l < TILE_C; l++) {
            (*acc).taps[j][l][0] = add_row(d, (*v0)[l], (*acc).taps[j][l][0]);
            (*acc).taps[j][l][1] = add_row(d, (*v1)[l], (*acc).taps[j][l][1]);
            (*acc).taps[j][l][2] = add_row(d, (*v2)[l], (*acc).taps[j][l][2]);
        }
    }
    // A separate loop, so that compilers with limited unrolling unroll both.
    for (var j = 0u; j < PART_K; j++) {
        let d = ds[yi + (*ks)[k + j]];
        for (var l = 0u; l < TILE_C; l++) {
            (*acc).shortcut[j][l] = add_centre(d, (*v1)[l], (*acc).shortcut[j][l]);
        }
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let blocks = STRIPS * ((job.samples + IMAGES - 1u) / IMAGES);
    let thread = (job.first_tile + tile.x) * LANES + lane;
    let t = min(thread, THREADS * blocks - 1u);
    // Strips vary fastest, so that neighbouring threads load neighbouring vectors.
    let strip = t % STRIPS;
    let c = ((t / STRIPS) % GROUPS_C) * TILE_C;
    let k = ((t / (STRIPS * GROUPS_C)) % GROUPS_K) * TILE_K;
    let image_block = t / (STRIPS * THREADS);
    let block = image_block * STRIPS + strip;
    let first_image = image_block * IMAGES;
    let r = tile.y;

    // Tiles may extend beyond C and K. There, threads read the last channel again and write nothing.
    var cs: array<u32, TILE_C>;
    for (var l = 0u; l < TILE_C; l++) {
        cs[l] = min(c + l, C - 1u) * X_PLANE;
    }
    var ks: Channels;
    for (var j = 0u; j < TILE_K; j++) {
        ks[j] = min(k + j, K - 1u) * Y_PLANE;
    }
    let images = min(IMAGES, job.samples - first_image);
    var acc0: Sums;
    var acc1: Sums;
    var acc2: Sums;
    var acc3: Sums;
    for (var i = 0u; i < images; i++) {
        let n = r * job.samples + first_image + i;
        var xi = n * C * X_PLANE + 2u * strip;
        var yi = n * K * Y_PLANE + Y_ROW + 1u + strip;
        var v0 = windows(xi, &cs);
        for (var h = 0u; h < HEIGHT; h++) {
            var v1 = windows(xi + X_ROW, &cs);
            xi += 2u * X_ROW;
            var v2 = windows(xi, &cs);
            add_part(&acc0, &v0, &v1, &v2, &ks, yi, 0u);
            if (PARTS > 1u) {
                add_part(&acc1, &v0, &v1, &v2, &ks, yi, PART_K);
            }
            if (PARTS > 2u) {
                add_part(&acc2, &v0, &v1, &v2, &ks, yi, 2u * PART_K);
                add_part(&acc3, &v0, &v1, &v2, &ks, yi, 3u * PART_K);
            }
            yi += Y_ROW;
            v0 = v2;
        }
    }
    if (thread >= THREADS * blocks) {
        return;
    }
    store_part(&acc0, r * blocks + block, c, k);
    if (PARTS > 1u) {
        store_part(&acc1, r * blocks + block, c, k + PART_K);
    }
    if (PARTS > 2u) {
        store_part(&acc2, r * blocks + block, c, k + 2u * PART_K);
        store_part(&acc3, r * blocks + block, c, k + 3u * PART_K);
    }
}

fn store_part(acc: ptr<function, Sums>, block: u32, c: u32, k: u32) {
    for (var l = 0u; l < TILE_C; l++) {
        for (var j = 0u; j < PART_K; j++) {
            if (k + j < K && c + l < C) {
                let at = ((block * K + k + j) * C + c + l) * 9u;
                for (var kh = 0u; kh < 3u; kh++) {
                    partial[at + kh * 3u] = (*acc).taps[j][l][kh].x;
                    partial[at + kh * 3u + 1u] = (*acc).taps[j][l][kh].y;
                    partial[at + kh * 3u + 2u] = (*acc).taps[j][l][kh].z;
                }
            }
        }
    }
    for (var l = 0u; l < TILE_C; l++) {
        for (var j = 0u; j < PART_K; j++) {
            if (k + j < K && c + l < C) {
                partial_shortcut[(block * K + k + j) * C + c + l] = (*acc).shortcut[j][l];
            }
        }
    }
}

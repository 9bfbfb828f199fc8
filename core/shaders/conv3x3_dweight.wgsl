#import mac
#import weight_tile
// Gradient of a 3x3 convolution (stride 1, padding 1) by its weights, as one partial sum for each block of pixels:
// partial[block][k][c][kh][kw] = sum over the block of dy[n,k,h,w] * x[n,c,h+kh-1,w+kw-1].
//
// A block is a strip of 4 columns x all rows x IMAGES images. A thread computes 9 taps of TILE_K output channels x
// TILE_C input channels; rows of x stay in registers while the window moves down.
// Order inside a block: image, row, column. conv_dweight_reduce adds the blocks.
// Constants: C, K, HEIGHT, WIDTH, ROW, PLANE (vec4 units), IMAGES, TILE_C, TILE_K, SHARED_INPUT, LANES.

@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>; // [R][blocks][K][C][9]

const STRIPS = (WIDTH + 3u) / 4u;
const GROUPS_C = (C + TILE_C - 1u) / TILE_C;
const GROUPS_K = (K + TILE_K - 1u) / TILE_K;
const THREADS = GROUPS_C * GROUPS_K;

fn strip(i: u32) -> vec4f {
    return dy[i];
}

fn windows(at: u32, cs: ptr<function, array<u32, TILE_C>>) -> Windows {
    var w: Windows;
    for (var l = 0u; l < TILE_C; l++) {
        let i = at + (*cs)[l];
        w[l] = Window(x[i].w, x[i + 1u], x[i + 2u].x);
    }
    return w;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let blocks = STRIPS * ((job.samples + IMAGES - 1u) / IMAGES);
    let thread = (job.first_tile + tile.x) * LANES + lane;
    let t = min(thread, THREADS * blocks - 1u);
    // Strips vary fastest, so that neighbouring threads load neighbouring vectors.
    let column = t % STRIPS;
    let c = ((t / STRIPS) % GROUPS_C) * TILE_C;
    let k = ((t / (STRIPS * GROUPS_C)) % GROUPS_K) * TILE_K;
    let image_block = t / (STRIPS * THREADS);
    let block = image_block * STRIPS + column;
    let first_image = image_block * IMAGES;
    let r = tile.y;

    // Tiles may extend beyond C and K. There, threads read the last channel again and write nothing.
    var cs: array<u32, TILE_C>;
    for (var l = 0u; l < TILE_C; l++) {
        cs[l] = min(c + l, C - 1u) * PLANE;
    }
    var ks: Channels;
    for (var j = 0u; j < TILE_K; j++) {
        ks[j] = min(k + j, K - 1u) * PLANE;
    }
    let images = min(IMAGES, job.samples - first_image);
    var acc0: Taps;
    var acc1: Taps;
    var acc2: Taps;
    var acc3: Taps;
    for (var i = 0u; i < images; i++) {
        let n = first_image + i;
        let input_sample = select(r * job.samples + n, n, SHARED_INPUT);
        var xi = input_sample * C * PLANE + column;
        var yi = (r * job.samples + n) * K * PLANE + ROW + 1u + column;
        var v0 = windows(xi, &cs);
        xi += ROW;
        var v1 = windows(xi, &cs);
        for (var h = 0u; h < HEIGHT; h++) {
            xi += ROW;
            var v2 = windows(xi, &cs);
            add_part(&acc0, &v0, &v1, &v2, &ks, yi, 0u);
            if (PARTS > 1u) {
                add_part(&acc1, &v0, &v1, &v2, &ks, yi, PART_K);
            }
            if (PARTS > 2u) {
                add_part(&acc2, &v0, &v1, &v2, &ks, yi, 2u * PART_K);
                add_part(&acc3, &v0, &v1, &v2, &ks, yi, 3u * PART_K);
            }
            yi += ROW;
            v0 = v1;
            v1 = v2;
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

#import mac
#import weight_tile
// conv3x3_dweight with staging: the threads of a workgroup load a row of x and of dy of all their channels into workgroup memory,
// and fetch the next rows into registers while they compute (double buffering).
//
// A workgroup computes all strips of a block of images x GROUPS_C tiles of TILE_C input channels x SHARERS tiles of TILE_K output
// channels. Blocks and order as in conv3x3_dweight: image, row, column.
// Constants: those of conv3x3_dweight; GROUPS_C, SHARERS (LANES = strips x GROUPS_C x SHARERS).

@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>; // [R][blocks][K][C][9]

const STRIPS = (WIDTH + 3u) / 4u;
const CHANNELS_C = GROUPS_C * TILE_C;
const CHANNELS_K = SHARERS * TILE_K;
const BLOCKS_C = (C + CHANNELS_C - 1u) / CHANNELS_C;
const BLOCKS_K = (K + CHANNELS_K - 1u) / CHANNELS_K;

// Vectors per row: of x, whole rows with their left border (the next row's left border is the right border); of dy, the strips.
const OF_X = CHANNELS_C * ROW + 1u;
const OF_ROW = OF_X + CHANNELS_K * STRIPS;
const LOADS = (OF_ROW + LANES - 1u) / LANES;
// Rows of x in an image, with its borders.
const ROWS = HEIGHT + 2u;

// Two rows, each of x ([c][ROW] and one vector of border) and of dy ([k][strip]).
var<workgroup> staged: array<vec4f, 2u * OF_ROW>;

// The elements of a row that a thread loads: element l * LANES + lane.
alias Fetched = array<vec4f, LOADS>;

// Fetches row `row` of x in image `image` of the block, and the previous row of dy, whose window it completes.
fn fetch(at: ptr<function, array<u32, LOADS>>, lane: u32, image: u32, row: u32) -> Fetched {
    var fetched: Fetched;
    for (var l = 0u; l < LOADS; l++) {
        let e = l * LANES + lane;
        if (e < OF_X) {
            fetched[l] = x[(*at)[l] + image * C * PLANE + row * ROW];
        } else if (e < OF_ROW) {
            fetched[l] = dy[(*at)[l] + image * K * PLANE + (max(row, 1u) - 1u) * ROW];
        }
    }
    return fetched;
}

fn put(fetched: ptr<function, Fetched>, lane: u32, turn: u32) {
    for (var l = 0u; l < LOADS; l++) {
        let e = l * LANES + lane;
        if (e < OF_ROW) {
            staged[(turn & 1u) * OF_ROW + e] = (*fetched)[l];
        }
    }
}

fn strip(i: u32) -> vec4f {
    return staged[i];
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let blocks = STRIPS * ((job.samples + IMAGES - 1u) / IMAGES);
    let nth = job.first_tile + tile.x;
    let first_c = (nth % BLOCKS_C) * CHANNELS_C;
    let first_k = ((nth / BLOCKS_C) % BLOCKS_K) * CHANNELS_K;
    let image_block = nth / (BLOCKS_C * BLOCKS_K);
    let first_image = image_block * IMAGES;
    let images = min(IMAGES, job.samples - first_image);
    let r = tile.y;

    // Offsets of this thread's elements in the first row. Beyond C and K, it reads the last channel again, which is not written.
    var at: array<u32, LOADS>;
    for (var l = 0u; l < LOADS; l++) {
        let e = l * LANES + lane;
        let c = min(first_c + min(e / ROW, CHANNELS_C - 1u), C - 1u);
        let in_row = e - min(e / ROW, CHANNELS_C - 1u) * ROW;
        let image = select(r * job.samples + first_image, first_image, SHARED_INPUT);
        let d = e - OF_X;
        let k = min(first_k + d / STRIPS, K - 1u);
        let of_dy = ((r * job.samples + first_image) * K + k) * PLANE + 1u + d % STRIPS;
        at[l] = select(of_dy, (image * C + c) * PLANE + in_row, e < OF_X);
    }

    let column = lane % STRIPS;
    let c = ((lane / STRIPS) % GROUPS_C) * TILE_C;
    let k = (lane / (STRIPS * GROUPS_C)) * TILE_K;
    var ks: Channels;
    for (var j = 0u; j < TILE_K; j++) {
        ks[j] = (k + j) * STRIPS;
    }
    var acc0: Taps;
    var acc1: Taps;
    var acc2: Taps;
    var acc3: Taps;
    var v0: Windows;
    var v1: Windows;
    var fetched = fetch(&at, lane, 0u, 0u);
    put(&fetched, lane, 0u);
    workgroupBarrier();
    for (var turn = 0u; turn < images * ROWS; turn++) {
        let row = turn % ROWS;
        let is_last = turn + 1u == images * ROWS;
        if (!is_last) {
            fetched = fetch(&at, lane, (turn + 1u) / ROWS, (turn + 1u) % ROWS);
        }
        let half = (turn & 1u) * OF_ROW;
        var v2: Windows;
        for (var l = 0u; l < TILE_C; l++) {
            let i = half + (c + l) * ROW + column;
            v2[l] = Window(staged[i].w, staged[i + 1u], staged[i + 2u].x);
        }
        // The first two rows of an image only fill the window.
        if (row >= 2u) {
            add_part(&acc0, &v0, &v1, &v2, &ks, half + OF_X + column, 0u);
            if (PARTS > 1u) {
                add_part(&acc1, &v0, &v1, &v2, &ks, half + OF_X + column, PART_K);
            }
            if (PARTS > 2u) {
                add_part(&acc2, &v0, &v1, &v2, &ks, half + OF_X + column, 2u * PART_K);
                add_part(&acc3, &v0, &v1, &v2, &ks, half + OF_X + column, 3u * PART_K);
            }
        }
        v0 = v1;
        v1 = v2;
        // Safe: the other half was last read before the previous barrier.
        if (!is_last) {
            put(&fetched, lane, turn + 1u);
        }
        workgroupBarrier();
    }
    store_part(&acc0, r * blocks + image_block * STRIPS + column, first_c + c, first_k + k);
    if (PARTS > 1u) {
        store_part(&acc1, r * blocks + image_block * STRIPS + column, first_c + c, first_k + k + PART_K);
    }
    if (PARTS > 2u) {
        store_part(&acc2, r * blocks + image_block * STRIPS + column, first_c + c, first_k + k + 2u * PART_K);
        store_part(&acc3, r * blocks + image_block * STRIPS + column, first_c + c, first_k + k + 3u * PART_K);
    }
}

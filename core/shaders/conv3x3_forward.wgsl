#import mac
#import taps
#import share
// 3x3 convolution, stride 1, padding 1: y[n,k,h,w] = sum over c, kh, kw of w[k,c,kh,kw] * x[n,c,h+kh-1,w+kw-1].
// With transposed and flipped weights, it computes the gradient by the input.
//
// A thread computes TILE_ROWS x 4 pixels of GROUPS groups of 4 output channels in registers. The loop has no branches, because
// planes have a zero border (see docs/ARCHITECTURE.md, "planes"), and lanes of a workgroup share their weights.
// Order (docs/ORDER.md): c, then kh, then kw, one accumulator for each output.
// Constants: C, K, HEIGHT, WIDTH, ROW, PLANE (vec4 units), TILE_ROWS, GROUPS, SHARED_INPUT, ACCUMULATE,
// LANES, UNIFORM.

@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> packed: array<vec4f>; // [R][K/4][C][9], four k in a vector
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

const TILES_X = (WIDTH + 3u) / 4u;
const TILES_Y = (HEIGHT + TILE_ROWS - 1u) / TILE_ROWS;
const GROUPS_K = (K + 3u) / 4u;
const TILES_K = (GROUPS_K + GROUPS - 1u) / GROUPS;

fn weight(i: u32) -> vec4f {
    return packed[i];
}

// Offset of a group's taps. A tile may extend beyond K. There, it reads the last group again and writes nothing.
fn weights_of(r: u32, group: u32, c: u32) -> u32 {
    return (r * job.packed_stride) / 4u + (min(group, GROUPS_K - 1u) * C + c) * 9u;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let own = share(job.first_tile + tile.x, lane, TILES_K);
    let r = tile.y;
    let sample = r * job.samples + own.n;

    var xi = select(sample, own.n, SHARED_INPUT) * C * PLANE + own.ty * TILE_ROWS * ROW + own.tx;
    var acc0: Accumulators;
    var acc1: Accumulators;
    var acc2: Accumulators;
    var acc3: Accumulators;
    for (var c = 0u; c < C; c++) {
        var p: Pixels;
        // Repeated in each shader, because a function would load a whole vector for one pixel.
        for (var i = 0u; i < TILE_ROWS + 2u; i++) {
            p.left[i] = x[xi + i * ROW].w;
            p.middle[i] = x[xi + i * ROW + 1u];
            p.right[i] = x[xi + i * ROW + 2u].x;
        }
        add_group(&acc0, &p, weights_of(r, own.group, c));
        if (GROUPS > 1u) {
            add_group(&acc1, &p, weights_of(r, own.group + 1u, c));
        }
        if (GROUPS > 2u) {
            add_group(&acc2, &p, weights_of(r, own.group + 2u, c));
            add_group(&acc3, &p, weights_of(r, own.group + 3u, c));
        }
        xi += PLANE;
    }
    if (!own.is_own) {
        return;
    }
    let to = Place(sample, own.group, own.ty * TILE_ROWS, own.tx);
    store_group(&acc0, to, 0u);
    if (GROUPS > 1u) {
        store_group(&acc1, to, 1u);
    }
    if (GROUPS > 2u) {
        store_group(&acc2, to, 2u);
        store_group(&acc3, to, 3u);
    }
}

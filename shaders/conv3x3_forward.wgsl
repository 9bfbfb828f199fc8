#import mac
#import taps
#import share
// 3x3 convolution, stride 1, padding 1: y[n,k,h,w] = sum over c, kh, kw of w[k,c,kh,kw] * x[n,c,h+kh-1,w+kw-1].
// Also the gradient by the input, with weights packed transposed and flipped.
//
// A thread computes TILE_ROWS x 4 pixels of 4 output channels in registers. No branch in the loop: planes have a zero
// border (see docs/ARCHITECTURE.md, "planes"), and lanes of a workgroup share their weights.
// Order (docs/ORDER.md): c, then kh, then kw, one accumulator for each output.
// Constants: C, K, HEIGHT, WIDTH, ROW, PLANE (vec4 units), TILE_ROWS, SHARED_INPUT, ACCUMULATE, LANES, UNIFORM.

@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> packed: array<vec4f>; // [R][K/4][C][9], four k in a vector
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

const TILES_X = (WIDTH + 3u) / 4u;
const TILES_Y = (HEIGHT + TILE_ROWS - 1u) / TILE_ROWS;
const GROUPS_K = (K + 3u) / 4u;

fn weight(i: u32) -> vec4f {
    return packed[i];
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tiles = TILES_X * TILES_Y * job.samples;
    let own = share(job.first_tile + tile.x, lane, tiles, GROUPS_K);
    let t = own.tile;
    let tx = t % TILES_X;
    let ty = (t / TILES_X) % TILES_Y;
    let n = t / (TILES_X * TILES_Y);
    let group = own.group;
    let r = tile.y;

    let input_sample = select(r * job.samples + n, n, SHARED_INPUT);
    var xi = input_sample * C * PLANE + ty * TILE_ROWS * ROW + tx;
    var wi = (r * job.packed_stride) / 4u + group * C * 9u;
    var acc: Accumulators;
    for (var c = 0u; c < C; c++) {
        var left: Scalars;
        var middle: Vectors;
        var right: Scalars;
        // Written out in each shader: through a function a whole vector would be loaded for one pixel.
        for (var i = 0u; i < TILE_ROWS + 2u; i++) {
            left[i] = x[xi + i * ROW].w;
            middle[i] = x[xi + i * ROW + 1u];
            right[i] = x[xi + i * ROW + 2u].x;
        }
        add_taps(&acc, &left, &middle, &right, 0u, wi);
        add_taps(&acc, &left, &middle, &right, 1u, wi);
        add_taps(&acc, &left, &middle, &right, 2u, wi);
        xi += PLANE;
        wi += 9u;
    }
    if (!own.is_own) {
        return;
    }
    store_tile(&acc, r * job.samples + n, group * 4u, ty * TILE_ROWS, tx);
}

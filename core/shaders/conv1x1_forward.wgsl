#import mac
#import share
// 1x1 convolution, stride 1: y[n,k,h,w] = sum over c of w[k,c] * x[n,c,h,w]. With transposed weights, it computes the gradient by the
// input.
//
// A thread computes TILE_ROWS x 4 pixels of 4 output channels in registers. Order (docs/ORDER.md): c, one accumulator for each output.
// Constants: C, K, HEIGHT, WIDTH, ROW, PLANE (vec4 units), TILE_ROWS, ACCUMULATE, LANES, UNIFORM.

@group(0) @binding(1) var<storage, read> x: array<vec4f>;         // planes [R][N][C]
@group(0) @binding(2) var<storage, read> packed: array<vec4f>;    // [R][K/4][C], four k in a vector
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;   // planes [R][N][K]

const TILES_X = (WIDTH + 3u) / 4u;
const TILES_Y = (HEIGHT + TILE_ROWS - 1u) / TILE_ROWS;
const GROUPS = 1u;
const GROUPS_K = (K + 3u) / 4u;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let own = share(job.first_tile + tile.x, lane, GROUPS_K);
    let sample = tile.y * job.samples + own.n;
    let pixels = (own.ty * TILE_ROWS + 1u) * ROW + 1u + own.tx;
    var xi = sample * C * PLANE + pixels;
    var wi = tile.y * job.packed_stride / 4u + own.group * C;
    var acc: array<array<vec4f, TILE_ROWS>, 4>; // [k][row]
    for (var c = 0u; c < C; c++) {
        let w = packed[wi];
        for (var i = 0u; i < TILE_ROWS; i++) {
            let pixel = x[xi + i * ROW];
            acc[0][i] = mac4(w.x, pixel, acc[0][i]);
            acc[1][i] = mac4(w.y, pixel, acc[1][i]);
            acc[2][i] = mac4(w.z, pixel, acc[2][i]);
            acc[3][i] = mac4(w.w, pixel, acc[3][i]);
        }
        xi += PLANE;
        wi += 1u;
    }
    if (!own.is_own) {
        return;
    }
    let mask = column_mask(own.tx * 4u, WIDTH);
    for (var j = 0u; j < 4u; j++) {
        let k = own.group * 4u + j;
        for (var i = 0u; i < TILE_ROWS; i++) {
            if (k < K && own.ty * TILE_ROWS + i < HEIGHT) {
                let at = (sample * K + k) * PLANE + pixels + i * ROW;
                let value = acc[j][i] * mask;
                if (ACCUMULATE) {
                    y[at] = opaque4(opaque4(value) + y[at]);
                } else {
                    y[at] = value;
                }
            }
        }
    }
}

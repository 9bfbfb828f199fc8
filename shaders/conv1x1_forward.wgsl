#import mac
// 1x1 convolution, stride 1 or 2, no padding: y[n,k,h,w] = sum over c of w[k,c] * x[n,c,S h,S w].
// With stride 1 also the gradient by the input, with weights packed transposed.
// A thread computes TILE_ROWS x 4 pixels of 4 output channels. Order: c.
// Constants: C, K, HEIGHT, WIDTH (output), STRIDE, X_ROW, X_PLANE, Y_ROW, Y_PLANE, TILE_ROWS, SHARED_INPUT, ACCUMULATE.

@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> packed: array<vec4f>; // [R][K/4][C], four k in a vector
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

const TILES_X = (WIDTH + 3u) / 4u;
const TILES_Y = (HEIGHT + TILE_ROWS - 1u) / TILE_ROWS;
const GROUPS_K = (K + 3u) / 4u;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tiles = TILES_X * TILES_Y * job.samples;
    let thread = (job.first_tile + tile.x) * 64u + lane;
    let t = min(thread, tiles * GROUPS_K - 1u);
    let tx = t % TILES_X;
    let ty = (t / TILES_X) % TILES_Y;
    let n = (t / (TILES_X * TILES_Y)) % job.samples;
    let group = t / tiles;
    let r = tile.y;

    let input_sample = select(r * job.samples + n, n, SHARED_INPUT);
    var xi = input_sample * C * X_PLANE + (STRIDE * ty * TILE_ROWS + 1u) * X_ROW + 1u + STRIDE * tx;
    var wi = (r * job.packed_stride) / 4u + group * C;
    var acc: array<array<vec4f, TILE_ROWS>, 4>;
    for (var c = 0u; c < C; c++) {
        let w = packed[wi];
        for (var i = 0u; i < TILE_ROWS; i++) {
            var v = x[xi + i * STRIDE * X_ROW];
            if (STRIDE == 2u) {
                v = vec4f(v.xz, x[xi + i * STRIDE * X_ROW + 1u].xz);
            }
            acc[0][i] = mac4(w.x, v, acc[0][i]);
            acc[1][i] = mac4(w.y, v, acc[1][i]);
            acc[2][i] = mac4(w.z, v, acc[2][i]);
            acc[3][i] = mac4(w.w, v, acc[3][i]);
        }
        xi += X_PLANE;
        wi += 1u;
    }
    if (thread >= tiles * GROUPS_K) {
        return;
    }
    let mask = column_mask(tx * 4u, WIDTH);
    for (var j = 0u; j < 4u; j++) {
        let k = group * 4u + j;
        for (var i = 0u; i < TILE_ROWS; i++) {
            let h = ty * TILE_ROWS + i;
            if (k < K && h < HEIGHT) {
                let at = ((r * job.samples + n) * K + k) * Y_PLANE + (h + 1u) * Y_ROW + 1u + tx;
                var value = acc[j][i] * mask;
                if (ACCUMULATE) {
                    value += y[at];
                }
                y[at] = value;
            }
        }
    }
}

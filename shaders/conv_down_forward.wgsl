#import mac
// 3x3 convolution (padding 1) and 1x1 convolution, stride 2, of the same input:
// y[n,k,h,w] = sum over c, kh, kw of w[k,c,kh,kw] * x[n,c,2h+kh-1,2w+kw-1], s[n,k,h,w] = sum over c of v[k,c] * x[n,c,2h,2w].
// A thread computes TILE_ROWS x 4 pixels of 4 channels of both. Order: c, then kh, then kw; of s: c.
// Constants: C, K, HEIGHT, WIDTH (output), X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units), TILE_ROWS.

@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> packed: array<vec4f>;          // [R][K/4][C][9], four k in a vector
@group(0) @binding(3) var<storage, read> packed_shortcut: array<vec4f>; // [R][K/4][C]
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> s: array<vec4f>;

const TILES_X = (WIDTH + 3u) / 4u;
const TILES_Y = (HEIGHT + TILE_ROWS - 1u) / TILE_ROWS;
const GROUPS_K = (K + 3u) / 4u;
const ROWS = 2u * TILE_ROWS + 1u;

alias Scalars = array<f32, ROWS>;
alias Vectors = array<vec4f, ROWS>;
alias Accumulators = array<array<vec4f, TILE_ROWS>, 4>; // [k][row]

// The three taps of one kernel row; a function for the reason that conv3x3_forward states.
fn add_taps(
    acc: ptr<function, Accumulators>,
    left: ptr<function, Scalars>,
    near: ptr<function, Vectors>,
    far: ptr<function, Vectors>,
    kh: u32,
    wi: u32,
) {
    let w0 = packed[wi + kh * 3u];
    let w1 = packed[wi + kh * 3u + 1u];
    let w2 = packed[wi + kh * 3u + 2u];
    for (var i = 0u; i < TILE_ROWS; i++) {
        let a = (*near)[2u * i + kh];
        let b = (*far)[2u * i + kh];
        let x0 = vec4f((*left)[2u * i + kh], a.yw, b.y);
        let x1 = vec4f(a.xz, b.xz);
        let x2 = vec4f(a.yw, b.yw);
        (*acc)[0][i] = mac4(w2.x, x2, mac4(w1.x, x1, mac4(w0.x, x0, (*acc)[0][i])));
        (*acc)[1][i] = mac4(w2.y, x2, mac4(w1.y, x1, mac4(w0.y, x0, (*acc)[1][i])));
        (*acc)[2][i] = mac4(w2.z, x2, mac4(w1.z, x1, mac4(w0.z, x0, (*acc)[2][i])));
        (*acc)[3][i] = mac4(w2.w, x2, mac4(w1.w, x1, mac4(w0.w, x0, (*acc)[3][i])));
    }
}

// The shortcut's tap: the centre of the nine.
fn add_centre(acc: ptr<function, Accumulators>, near: ptr<function, Vectors>, far: ptr<function, Vectors>, w: vec4f) {
    for (var i = 0u; i < TILE_ROWS; i++) {
        let centre = vec4f((*near)[2u * i + 1u].xz, (*far)[2u * i + 1u].xz);
        (*acc)[0][i] = mac4(w.x, centre, (*acc)[0][i]);
        (*acc)[1][i] = mac4(w.y, centre, (*acc)[1][i]);
        (*acc)[2][i] = mac4(w.z, centre, (*acc)[2][i]);
        (*acc)[3][i] = mac4(w.w, centre, (*acc)[3][i]);
    }
}

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

    var xi = (r * job.samples + n) * C * X_PLANE + 2u * ty * TILE_ROWS * X_ROW + 2u * tx;
    var wi = (r * job.packed_stride) / 4u + group * C * 9u;
    let vi = (r * job.packed_stride) / 4u + group * C;
    var acc: Accumulators;
    var acc_shortcut: Accumulators;
    for (var c = 0u; c < C; c++) {
        var left: Scalars;
        var near: Vectors;
        var far: Vectors;
        for (var i = 0u; i < ROWS; i++) {
            left[i] = x[xi + i * X_ROW].w;
            near[i] = x[xi + i * X_ROW + 1u];
            far[i] = x[xi + i * X_ROW + 2u];
        }
        add_taps(&acc, &left, &near, &far, 0u, wi);
        add_taps(&acc, &left, &near, &far, 1u, wi);
        add_taps(&acc, &left, &near, &far, 2u, wi);
        add_centre(&acc_shortcut, &near, &far, packed_shortcut[vi + c]);
        xi += X_PLANE;
        wi += 9u;
    }
    if (thread >= tiles * GROUPS_K) {
        return;
    }
    let mask = column_mask(tx * 4u, WIDTH);
    let first = ((r * job.samples + n) * K + group * 4u) * Y_PLANE + (ty * TILE_ROWS + 1u) * Y_ROW + 1u + tx;
    // One loop for each output, for the same reason.
    for (var j = 0u; j < 4u; j++) {
        for (var i = 0u; i < TILE_ROWS; i++) {
            if (group * 4u + j < K && ty * TILE_ROWS + i < HEIGHT) {
                y[first + j * Y_PLANE + i * Y_ROW] = acc[j][i] * mask;
            }
        }
    }
    for (var j = 0u; j < 4u; j++) {
        for (var i = 0u; i < TILE_ROWS; i++) {
            if (group * 4u + j < K && ty * TILE_ROWS + i < HEIGHT) {
                s[first + j * Y_PLANE + i * Y_ROW] = acc_shortcut[j][i] * mask;
            }
        }
    }
}

#import mac
#import share
// 3x3 convolution (padding 1) and 1x1 convolution, stride 2, of the same input:
// y[n,k,h,w] = sum over c, kh, kw of w[k,c,kh,kw] * x[n,c,2h+kh-1,2w+kw-1], s[n,k,h,w] = sum over c of v[k,c] * x[n,c,2h,2w].
// A thread computes TILE_ROWS x 4 pixels of two groups of 4 channels of both. Order: c, then kh, then kw; of s: c.
// Constants: C, K, HEIGHT, WIDTH (output), X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units), TILE_ROWS, LANES, UNIFORM.

@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> packed: array<vec4f>;          // [R][K/4][C][9], four k in a vector
@group(0) @binding(3) var<storage, read> packed_shortcut: array<vec4f>; // [R][K/4][C]
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> s: array<vec4f>;

const TILES_X = (WIDTH + 3u) / 4u;
const TILES_Y = (HEIGHT + TILE_ROWS - 1u) / TILE_ROWS;
const GROUPS_K = (K + 3u) / 4u;
const PAIRS_K = (GROUPS_K + 1u) / 2u;
const ROWS = 2u * TILE_ROWS + 1u;

alias Accumulators = array<array<vec4f, TILE_ROWS>, 4>; // [k][row]

// What a tile reads of one input channel: columns 2 w - 1 ... 2 w + 7.
struct Pixels {
    left: array<f32, ROWS>,
    near: array<vec4f, ROWS>,
    far: array<vec4f, ROWS>,
}

// The three taps of one kernel row; a function for the reason that taps.wgsl states.
fn add_taps(acc: ptr<function, Accumulators>, p: ptr<function, Pixels>, kh: u32, wi: u32) {
    let w0 = packed[wi + kh * 3u];
    let w1 = packed[wi + kh * 3u + 1u];
    let w2 = packed[wi + kh * 3u + 2u];
    for (var i = 0u; i < TILE_ROWS; i++) {
        let a = (*p).near[2u * i + kh];
        let b = (*p).far[2u * i + kh];
        let x0 = vec4f((*p).left[2u * i + kh], a.yw, b.y);
        let x1 = vec4f(a.xz, b.xz);
        let x2 = vec4f(a.yw, b.yw);
        (*acc)[0][i] = mac4(w2.x, x2, mac4(w1.x, x1, mac4(w0.x, x0, (*acc)[0][i])));
        (*acc)[1][i] = mac4(w2.y, x2, mac4(w1.y, x1, mac4(w0.y, x0, (*acc)[1][i])));
        (*acc)[2][i] = mac4(w2.z, x2, mac4(w1.z, x1, mac4(w0.z, x0, (*acc)[2][i])));
        (*acc)[3][i] = mac4(w2.w, x2, mac4(w1.w, x1, mac4(w0.w, x0, (*acc)[3][i])));
    }
}

// The shortcut's tap: the centre of the nine.
fn add_centre(acc: ptr<function, Accumulators>, p: ptr<function, Pixels>, w: vec4f) {
    for (var i = 0u; i < TILE_ROWS; i++) {
        let centre = vec4f((*p).near[2u * i + 1u].xz, (*p).far[2u * i + 1u].xz);
        (*acc)[0][i] = mac4(w.x, centre, (*acc)[0][i]);
        (*acc)[1][i] = mac4(w.y, centre, (*acc)[1][i]);
        (*acc)[2][i] = mac4(w.z, centre, (*acc)[2][i]);
        (*acc)[3][i] = mac4(w.w, centre, (*acc)[3][i]);
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tiles = TILES_X * TILES_Y * job.samples;
    let own = share(job.first_tile + tile.x, lane, tiles, PAIRS_K);
    let t = own.tile;
    let tx = t % TILES_X;
    let ty = (t / TILES_X) % TILES_Y;
    let n = t / (TILES_X * TILES_Y);
    let group = 2u * own.group;
    let r = tile.y;

    var xi = (r * job.samples + n) * C * X_PLANE + 2u * ty * TILE_ROWS * X_ROW + 2u * tx;
    // A pair may reach beyond K: it reads the last group again and writes nothing.
    var vi0 = (r * job.packed_stride) / 4u + group * C;
    var vi1 = (r * job.packed_stride) / 4u + min(group + 1u, GROUPS_K - 1u) * C;
    var wi0 = (r * job.packed_stride) / 4u + group * C * 9u;
    var wi1 = (r * job.packed_stride) / 4u + min(group + 1u, GROUPS_K - 1u) * C * 9u;
    var acc0: Accumulators;
    var acc1: Accumulators;
    var shortcut0: Accumulators;
    var shortcut1: Accumulators;
    for (var c = 0u; c < C; c++) {
        var p: Pixels;
        for (var i = 0u; i < ROWS; i++) {
            p.left[i] = x[xi + i * X_ROW].w;
            p.near[i] = x[xi + i * X_ROW + 1u];
            p.far[i] = x[xi + i * X_ROW + 2u];
        }
        add_taps(&acc0, &p, 0u, wi0);
        add_taps(&acc0, &p, 1u, wi0);
        add_taps(&acc0, &p, 2u, wi0);
        add_centre(&shortcut0, &p, packed_shortcut[vi0]);
        add_taps(&acc1, &p, 0u, wi1);
        add_taps(&acc1, &p, 1u, wi1);
        add_taps(&acc1, &p, 2u, wi1);
        add_centre(&shortcut1, &p, packed_shortcut[vi1]);
        xi += X_PLANE;
        vi0 += 1u;
        vi1 += 1u;
        wi0 += 9u;
        wi1 += 9u;
    }
    if (!own.is_own) {
        return;
    }
    let row = ty * TILE_ROWS;
    let at = ((r * job.samples + n) * K + group * 4u) * Y_PLANE + (row + 1u) * Y_ROW + 1u + tx;
    let mask = column_mask(tx * 4u, WIDTH);
    store_y(&acc0, group, at, row, mask);
    store_s(&shortcut0, group, at, row, mask);
    store_y(&acc1, group + 1u, at + 4u * Y_PLANE, row, mask);
    store_s(&shortcut1, group + 1u, at + 4u * Y_PLANE, row, mask);
}

fn store_y(acc: ptr<function, Accumulators>, group: u32, at: u32, row: u32, mask: vec4f) {
    for (var j = 0u; j < 4u; j++) {
        for (var i = 0u; i < TILE_ROWS; i++) {
            if (group * 4u + j < K && row + i < HEIGHT) {
                y[at + j * Y_PLANE + i * Y_ROW] = (*acc)[j][i] * mask;
            }
        }
    }
}

fn store_s(acc: ptr<function, Accumulators>, group: u32, at: u32, row: u32, mask: vec4f) {
    for (var j = 0u; j < 4u; j++) {
        for (var i = 0u; i < TILE_ROWS; i++) {
            if (group * 4u + j < K && row + i < HEIGHT) {
                s[at + j * Y_PLANE + i * Y_ROW] = (*acc)[j][i] * mask;
            }
        }
    }
}

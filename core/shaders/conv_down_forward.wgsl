#import mac
#import place
#import share
// 3x3 convolution (padding 1) and 1x1 convolution, stride 2, of the same input:
// y[n,k,h,w] = sum over c, kh, kw of w[k,c,kh,kw] * x[n,c,2h+kh-1,2w+kw-1], s[n,k,h,w] = sum over c of v[k,c] * x[n,c,2h,2w].
// A thread computes TILE_ROWS x 4 pixels of GROUPS (1, 2 or 4) groups of 4 channels of both. Order: c, then kh, then kw; for s: c.
// Constants: C, K, HEIGHT, WIDTH (output), X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units), TILE_ROWS, GROUPS, LANES,
// UNIFORM.

@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> packed: array<vec4f>;          // [R][K/4][C][9], four k in a vector
@group(0) @binding(3) var<storage, read> packed_shortcut: array<vec4f>; // [R][K/4][C]
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> s: array<vec4f>;

const TILES_X = (WIDTH + 3u) / 4u;
const TILES_Y = (HEIGHT + TILE_ROWS - 1u) / TILE_ROWS;
const GROUPS_K = (K + 3u) / 4u;
const TILES_K = (GROUPS_K + GROUPS - 1u) / GROUPS;
const ROWS = 2u * TILE_ROWS + 1u;

alias Accumulators = array<array<vec4f, TILE_ROWS>, 4>; // [k][row]

// Outputs of both layers for one group.
struct Sums {
    y: Accumulators,
    s: Accumulators,
}

// The input of a tile from one channel: columns 2 w - 1 ... 2 w + 7.
struct Pixels {
    left: array<f32, ROWS>,
    near: array<vec4f, ROWS>,
    far: array<vec4f, ROWS>,
}

// Adds the three taps of one kernel row for a group. This is a function for the reason that taps.wgsl states.
fn add_taps(acc: ptr<function, Sums>, p: ptr<function, Pixels>, kh: u32, wi: u32) {
    let w0 = packed[wi + kh * 3u];
    let w1 = packed[wi + kh * 3u + 1u];
    let w2 = packed[wi + kh * 3u + 2u];
    for (var i = 0u; i < TILE_ROWS; i++) {
        let a = (*p).near[2u * i + kh];
        let b = (*p).far[2u * i + kh];
        let x0 = vec4f((*p).left[2u * i + kh], a.yw, b.y);
        let x1 = vec4f(a.xz, b.xz);
        let x2 = vec4f(a.yw, b.yw);
        (*acc).y[0][i] = mac4(w2.x, x2, mac4(w1.x, x1, mac4(w0.x, x0, (*acc).y[0][i])));
        (*acc).y[1][i] = mac4(w2.y, x2, mac4(w1.y, x1, mac4(w0.y, x0, (*acc).y[1][i])));
        (*acc).y[2][i] = mac4(w2.z, x2, mac4(w1.z, x1, mac4(w0.z, x0, (*acc).y[2][i])));
        (*acc).y[3][i] = mac4(w2.w, x2, mac4(w1.w, x1, mac4(w0.w, x0, (*acc).y[3][i])));
    }
}

// Adds the shortcut's tap, which is the centre of the nine.
fn add_centre(acc: ptr<function, Sums>, p: ptr<function, Pixels>, w: vec4f) {
    for (var i = 0u; i < TILE_ROWS; i++) {
        let centre = vec4f((*p).near[2u * i + 1u].xz, (*p).far[2u * i + 1u].xz);
        (*acc).s[0][i] = mac4(w.x, centre, (*acc).s[0][i]);
        (*acc).s[1][i] = mac4(w.y, centre, (*acc).s[1][i]);
        (*acc).s[2][i] = mac4(w.z, centre, (*acc).s[2][i]);
        (*acc).s[3][i] = mac4(w.w, centre, (*acc).s[3][i]);
    }
}

// Adds input channel c to group `group` of replica r. A tile may extend beyond K. There, it reads the last group again and
// writes nothing.
fn add_group(acc: ptr<function, Sums>, p: ptr<function, Pixels>, r: u32, group: u32, c: u32) {
    let vi = (r * job.packed_stride) / 4u + min(group, GROUPS_K - 1u) * C + c;
    let wi = (r * job.packed_stride) / 4u + (min(group, GROUPS_K - 1u) * C + c) * 9u;
    add_taps(acc, p, 0u, wi);
    add_taps(acc, p, 1u, wi);
    add_taps(acc, p, 2u, wi);
    add_centre(acc, p, packed_shortcut[vi]);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let own = share(job.first_tile + tile.x, lane, TILES_K);
    let r = tile.y;
    let sample = r * job.samples + own.n;

    var xi = sample * C * X_PLANE + 2u * own.ty * TILE_ROWS * X_ROW + 2u * own.tx;
    var acc0: Sums;
    var acc1: Sums;
    var acc2: Sums;
    var acc3: Sums;
    for (var c = 0u; c < C; c++) {
        var p: Pixels;
        for (var i = 0u; i < ROWS; i++) {
            p.left[i] = x[xi + i * X_ROW].w;
            p.near[i] = x[xi + i * X_ROW + 1u];
            p.far[i] = x[xi + i * X_ROW + 2u];
        }
        add_group(&acc0, &p, r, own.group, c);
        if (GROUPS > 1u) {
            add_group(&acc1, &p, r, own.group + 1u, c);
        }
        if (GROUPS > 2u) {
            add_group(&acc2, &p, r, own.group + 2u, c);
            add_group(&acc3, &p, r, own.group + 3u, c);
        }
        xi += X_PLANE;
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

// Writes group `nth` of the tile, except channels beyond K and rows beyond HEIGHT.
fn store_group(acc: ptr<function, Sums>, to: Place, nth: u32) {
    let k = (to.group + nth) * 4u;
    let at = (to.sample * K + k) * Y_PLANE + (to.row + 1u) * Y_ROW + 1u + to.tx;
    let mask = column_mask(to.tx * 4u, WIDTH);
    for (var j = 0u; j < 4u; j++) {
        for (var i = 0u; i < TILE_ROWS; i++) {
            if (k + j < K && to.row + i < HEIGHT) {
                y[at + j * Y_PLANE + i * Y_ROW] = (*acc).y[j][i] * mask;
                s[at + j * Y_PLANE + i * Y_ROW] = (*acc).s[j][i] * mask;
            }
        }
    }
}

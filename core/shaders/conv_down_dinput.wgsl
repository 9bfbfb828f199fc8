#import mac
#import place
#import share
// Gradient by the input of conv_down_forward: dx[n,c,h,w] = sum over k and the taps that reach (h, w) of
// w[k,c,kh,kw] * dy[n,k,(h+1-kh)/2,(w+1-kw)/2], plus, where h and w are even, sum over k of v[k,c] * ds[n,k,h/2,w/2].
//
// A thread computes 2 TILE_ROWS rows x 8 pixels of dx for GROUPS (1, 2 or 4) groups of 4 channels, from TILE_ROWS + 1 rows of
// dy. Even and odd rows have different taps: even rows kh = 1, odd rows kh = 2 (dy row i) then kh = 0 (dy row i + 1); even columns
// kw = 1, odd columns kw = 2 (dy column j) then kw = 0 (column j + 1). Order: k, then kh and kw as listed; for the shortcut: k. The
// two sums are added at the end.
// Constants: C, K, HEIGHT, WIDTH (of dx), X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units), TILE_ROWS, GROUPS,
// LANES, UNIFORM.

@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> ds: array<vec4f>;
@group(0) @binding(3) var<storage, read> packed: array<vec4f>;          // [R][C/4][K][9], four c in a vector, taps in reverse
@group(0) @binding(4) var<storage, read> packed_shortcut: array<vec4f>; // [R][C/4][K]
@group(0) @binding(5) var<storage, read_write> dx: array<vec4f>;

const TILES_X = (WIDTH + 7u) / 8u;
const TILES_Y = ((HEIGHT + 1u) / 2u + TILE_ROWS - 1u) / TILE_ROWS;
const GROUPS_C = (C + 3u) / 4u;
const TILES_C = (GROUPS_C + GROUPS - 1u) / GROUPS;

alias Accumulators = array<array<vec4f, TILE_ROWS>, 4>; // [c][row of dy]

// Sums of a group: rows 0 and 1 of each pair of rows of dx, columns 0 2 4 6 (even) and 1 3 5 7 (odd).
struct Sums {
    row0_even: Accumulators,
    row0_odd: Accumulators,
    row1_even: Accumulators,
    row1_odd: Accumulators,
    shortcut: Accumulators,
}

// The input of a tile from one output channel.
struct Pixels {
    d: array<vec4f, TILE_ROWS + 1u>,
    next: array<vec4f, TILE_ROWS + 1u>, // of dy, shifted by one column
    e: array<vec4f, TILE_ROWS>,         // of ds
}

// Adds output channel k to group `group` of replica r. This is a function for the reason that taps.wgsl states. A tile may extend
// beyond C. There, it reads the last group again and writes nothing.
fn add_group(acc: ptr<function, Sums>, p: ptr<function, Pixels>, r: u32, group: u32, k: u32) {
    let vi = (r * job.packed_stride) / 4u + min(group, GROUPS_C - 1u) * K + k;
    let wi = (r * job.packed_stride) / 4u + (min(group, GROUPS_C - 1u) * K + k) * 9u;
    let w2 = packed[wi];
    let w1 = packed[wi + 1u];
    let w0 = packed[wi + 2u];
    let v2 = packed[wi + 3u];
    let v1 = packed[wi + 4u];
    let v0 = packed[wi + 5u];
    let u2 = packed[wi + 6u];
    let u1 = packed[wi + 7u];
    let u0 = packed[wi + 8u];
    let s = packed_shortcut[vi];
    for (var i = 0u; i < TILE_ROWS; i++) {
        let d = (*p).d[i];
        let below = (*p).d[i + 1u];
        let next = (*p).next[i];
        let next_below = (*p).next[i + 1u];
        for (var j = 0u; j < 4u; j++) {
            (*acc).row0_even[j][i] = mac4(v1[j], d, (*acc).row0_even[j][i]);
            (*acc).row0_odd[j][i] = mac4(v0[j], next, mac4(v2[j], d, (*acc).row0_odd[j][i]));
            (*acc).row1_even[j][i] = mac4(u1[j], below, mac4(w1[j], d, (*acc).row1_even[j][i]));
            let upper = mac4(w0[j], next, mac4(w2[j], d, (*acc).row1_odd[j][i]));
            (*acc).row1_odd[j][i] = mac4(u0[j], next_below, mac4(u2[j], below, upper));
            (*acc).shortcut[j][i] = mac4(s[j], (*p).e[i], (*acc).shortcut[j][i]);
        }
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let own = share(job.first_tile + tile.x, lane, TILES_C);
    let r = tile.y;
    let sample = r * job.samples + own.n;

    var yi = sample * K * Y_PLANE + (own.ty * TILE_ROWS + 1u) * Y_ROW + 1u + own.tx;
    var acc0: Sums;
    var acc1: Sums;
    var acc2: Sums;
    var acc3: Sums;
    for (var k = 0u; k < K; k++) {
        var p: Pixels;
        for (var i = 0u; i < TILE_ROWS + 1u; i++) {
            p.d[i] = dy[yi + i * Y_ROW];
            p.next[i] = vec4f(p.d[i].yzw, dy[yi + i * Y_ROW + 1u].x);
        }
        for (var i = 0u; i < TILE_ROWS; i++) {
            p.e[i] = ds[yi + i * Y_ROW];
        }
        add_group(&acc0, &p, r, own.group, k);
        if (GROUPS > 1u) {
            add_group(&acc1, &p, r, own.group + 1u, k);
        }
        if (GROUPS > 2u) {
            add_group(&acc2, &p, r, own.group + 2u, k);
            add_group(&acc3, &p, r, own.group + 3u, k);
        }
        yi += Y_PLANE;
    }
    if (!own.is_own) {
        return;
    }
    let to = Place(sample, own.group, 2u * own.ty * TILE_ROWS, own.tx);
    store_group(&acc0, to, 0u);
    if (GROUPS > 1u) {
        store_group(&acc1, to, 1u);
    }
    if (GROUPS > 2u) {
        store_group(&acc2, to, 2u);
        store_group(&acc3, to, 3u);
    }
}

// Writes group `nth` of the tile, except channels beyond C and rows beyond HEIGHT.
fn store_group(acc: ptr<function, Sums>, to: Place, nth: u32) {
    for (var j = 0u; j < 4u; j++) {
        let c = (to.group + nth) * 4u + j;
        for (var i = 0u; i < TILE_ROWS; i++) {
            let h = to.row + 2u * i;
            let at = (to.sample * C + c) * X_PLANE + (h + 1u) * X_ROW + 1u + 2u * to.tx;
            if (c < C && h < HEIGHT) {
                store(at, to.tx, opaque4((*acc).row0_even[j][i]) + opaque4((*acc).shortcut[j][i]), (*acc).row0_odd[j][i]);
            }
            if (c < C && h + 1u < HEIGHT) {
                store(at + X_ROW, to.tx, (*acc).row1_even[j][i], (*acc).row1_odd[j][i]);
            }
        }
    }
}

// Writes eight pixels of a row of dx, interleaved from even and odd columns.
fn store(at: u32, tx: u32, even: vec4f, odd: vec4f) {
    let column = tx * 8u;
    dx[at] = vec4f(even.x, odd.x, even.y, odd.y) * column_mask(column, WIDTH);
    if (column + 4u < WIDTH) {
        dx[at + 1u] = vec4f(even.z, odd.z, even.w, odd.w) * column_mask(column + 4u, WIDTH);
    }
}

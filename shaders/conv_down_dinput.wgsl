#import mac
#import share
// Gradient by the input of conv_down_forward: dx[n,c,h,w] = sum over k and the taps that meet (h, w) of
// w[k,c,kh,kw] * dy[n,k,(h+1-kh)/2,(w+1-kw)/2], plus, where h and w are even, sum over k of v[k,c] * ds[n,k,h/2,w/2].
//
// A thread computes 2 TILE_ROWS rows x 8 pixels of dx for 4 channels, from TILE_ROWS + 1 rows of dy. Even and odd rows
// meet different taps: even rows kh = 1, odd rows kh = 2 (dy row i) then kh = 0 (dy row i + 1); even columns kw = 1, odd
// columns kw = 2 (dy column j) then kw = 0 (column j + 1). Order: k, then kh and kw as named; of the shortcut: k. The two
// sums are added at the end.
// Constants: C, K, HEIGHT, WIDTH (of dx), X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units), TILE_ROWS, LANES, UNIFORM.

@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> ds: array<vec4f>;
@group(0) @binding(3) var<storage, read> packed: array<vec4f>;          // [R][C/4][K][9], four c in a vector, taps in reverse
@group(0) @binding(4) var<storage, read> packed_shortcut: array<vec4f>; // [R][C/4][K]
@group(0) @binding(5) var<storage, read_write> dx: array<vec4f>;

const TILES_X = (WIDTH + 7u) / 8u;
const TILES_Y = ((HEIGHT + 1u) / 2u + TILE_ROWS - 1u) / TILE_ROWS;
const GROUPS_C = (C + 3u) / 4u;

alias Accumulators = array<array<vec4f, TILE_ROWS>, 4>; // [c][row of dy]

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tiles = TILES_X * TILES_Y * job.samples;
    let own = share(job.first_tile + tile.x, lane, tiles, GROUPS_C);
    let t = own.tile;
    let tx = t % TILES_X;
    let ty = (t / TILES_X) % TILES_Y;
    let n = t / (TILES_X * TILES_Y);
    let group = own.group;
    let r = tile.y;

    var yi = (r * job.samples + n) * K * Y_PLANE + (ty * TILE_ROWS + 1u) * Y_ROW + 1u + tx;
    var wi = (r * job.packed_stride) / 4u + group * K * 9u;
    let vi = (r * job.packed_stride) / 4u + group * K;
    // Rows 0 and 1 of each pair of rows of dx, columns 0 2 4 6 (even) and 1 3 5 7 (odd).
    var row0_even: Accumulators;
    var row0_odd: Accumulators;
    var row1_even: Accumulators;
    var row1_odd: Accumulators;
    var shortcut: Accumulators;
    for (var k = 0u; k < K; k++) {
        var d: array<vec4f, TILE_ROWS + 1u>;
        var next: array<vec4f, TILE_ROWS + 1u>;
        for (var i = 0u; i < TILE_ROWS + 1u; i++) {
            d[i] = dy[yi + i * Y_ROW];
            next[i] = vec4f(d[i].yzw, dy[yi + i * Y_ROW + 1u].x);
        }
        let w2 = packed[wi];
        let w1 = packed[wi + 1u];
        let w0 = packed[wi + 2u];
        let v2 = packed[wi + 3u];
        let v1 = packed[wi + 4u];
        let v0 = packed[wi + 5u];
        let u2 = packed[wi + 6u];
        let u1 = packed[wi + 7u];
        let u0 = packed[wi + 8u];
        let s = packed_shortcut[vi + k];
        for (var i = 0u; i < TILE_ROWS; i++) {
            let e = ds[yi + i * Y_ROW];
            for (var c = 0u; c < 4u; c++) {
                row0_even[c][i] = mac4(v1[c], d[i], row0_even[c][i]);
                row0_odd[c][i] = mac4(v0[c], next[i], mac4(v2[c], d[i], row0_odd[c][i]));
                row1_even[c][i] = mac4(u1[c], d[i + 1u], mac4(w1[c], d[i], row1_even[c][i]));
                let upper = mac4(w0[c], next[i], mac4(w2[c], d[i], row1_odd[c][i]));
                row1_odd[c][i] = mac4(u0[c], next[i + 1u], mac4(u2[c], d[i + 1u], upper));
                shortcut[c][i] = mac4(s[c], e, shortcut[c][i]);
            }
        }
        yi += Y_PLANE;
        wi += 9u;
    }
    if (!own.is_own) {
        return;
    }
    for (var j = 0u; j < 4u; j++) {
        let c = group * 4u + j;
        for (var i = 0u; i < TILE_ROWS; i++) {
            let h = 2u * (ty * TILE_ROWS + i);
            let at = ((r * job.samples + n) * C + c) * X_PLANE + (h + 1u) * X_ROW + 1u + 2u * tx;
            if (c < C && h < HEIGHT) {
                store(at, tx, row0_even[j][i] + shortcut[j][i], row0_odd[j][i]);
            }
            if (c < C && h + 1u < HEIGHT) {
                store(at + X_ROW, tx, row1_even[j][i], row1_odd[j][i]);
            }
        }
    }
}

// Eight pixels of a row of dx, interleaved from their even and odd columns.
fn store(at: u32, tx: u32, even: vec4f, odd: vec4f) {
    let column = tx * 8u;
    dx[at] = vec4f(even.x, odd.x, even.y, odd.y) * column_mask(column, WIDTH);
    if (column + 4u < WIDTH) {
        dx[at + 1u] = vec4f(even.z, odd.z, even.w, odd.w) * column_mask(column + 4u, WIDTH);
    }
}

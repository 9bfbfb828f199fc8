#import mac
// Gradient by the input of a convolution with stride 2 (3x3 padding 1, or 1x1): dx[n,c,h,w] = sum over k and the taps
// that meet (h, w) of w[k,c,kh,kw] * dy[n,k,(h+p-kh)/2,(w+p-kw)/2], p the padding.
//
// A thread computes 2 TILE_ROWS rows x 8 pixels of dx for TILE_GROUPS x 4 channels, from TILE_ROWS + 1 rows of dy. Even
// and odd rows meet different taps: 3x3: even rows kh = 1, odd rows kh = 2 (dy row i) then kh = 0 (dy row i + 1); even
// columns kw = 1, odd columns kw = 2 (dy column j) then kw = 0 (column j + 1). Order: k, then kh and kw as named.
// Constants: C, K, HEIGHT, WIDTH (of dx), KERNEL, X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units), TILE_ROWS,
// TILE_GROUPS (1, 2 or 4), ACCUMULATE.

@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> packed: array<vec4f>; // [R][C/4][K][KERNEL^2], four c in a vector, not flipped
@group(0) @binding(3) var<storage, read_write> dx: array<vec4f>;

const TILES_X = (WIDTH + 7u) / 8u;
const TILES_Y = ((HEIGHT + 1u) / 2u + TILE_ROWS - 1u) / TILE_ROWS;
const GROUPS_C = (C + 3u) / 4u;
const SETS_C = (GROUPS_C + TILE_GROUPS - 1u) / TILE_GROUPS;
const TAPS = KERNEL * KERNEL;
const CHANNELS = 4u * TILE_GROUPS;
// A 1x1 kernel does not reach odd rows and columns.
const ODD = select(0u, 1u, KERNEL == 3u);

alias Accumulators = array<array<vec4f, TILE_ROWS>, CHANNELS>; // [c][row of dy]

// A thread's part of dx.
struct Place {
    first_plane: u32,
    first_group: u32,
    row: u32,
    tx: u32,
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tiles = TILES_X * TILES_Y * job.samples;
    let thread = (job.first_tile + tile.x) * 64u + lane;
    let t = min(thread, tiles * SETS_C - 1u);
    let tx = t % TILES_X;
    let ty = (t / TILES_X) % TILES_Y;
    let n = (t / (TILES_X * TILES_Y)) % job.samples;
    let first_group = (t / tiles) * TILE_GROUPS;
    let r = tile.y;

    var yi = (r * job.samples + n) * K * Y_PLANE + (ty * TILE_ROWS + 1u) * Y_ROW + 1u + tx;
    var wi = (r * job.packed_stride) / 4u;
    // Rows 0 and 1 of each pair of rows of dx, columns 0 2 4 6 (even) and 1 3 5 7 (odd).
    var row0_even: Accumulators;
    var row0_odd: Accumulators;
    var row1_even: Accumulators;
    var row1_odd: Accumulators;
    for (var k = 0u; k < K; k++) {
        var d: array<vec4f, TILE_ROWS + 1u>;
        var next: array<vec4f, TILE_ROWS + 1u>;
        for (var i = 0u; i < TILE_ROWS + ODD; i++) {
            d[i] = dy[yi + i * Y_ROW];
            if (KERNEL == 3u) {
                next[i] = vec4f(d[i].yzw, dy[yi + i * Y_ROW + 1u].x);
            }
        }
        for (var g = 0u; g < TILE_GROUPS; g++) {
            // A set may reach beyond C: it reads the last group again and writes nothing.
            let wg = wi + min(first_group + g, GROUPS_C - 1u) * K * TAPS;
            if (KERNEL == 1u) {
                let w = packed[wg];
                for (var i = 0u; i < TILE_ROWS; i++) {
                    for (var j = 0u; j < 4u; j++) {
                        let c = 4u * g + j;
                        row0_even[c][i] = mac4(w[j], d[i], row0_even[c][i]);
                    }
                }
            } else {
                let u0 = packed[wg];
                let u1 = packed[wg + 1u];
                let u2 = packed[wg + 2u];
                let v0 = packed[wg + 3u];
                let v1 = packed[wg + 4u];
                let v2 = packed[wg + 5u];
                let w0 = packed[wg + 6u];
                let w1 = packed[wg + 7u];
                let w2 = packed[wg + 8u];
                for (var i = 0u; i < TILE_ROWS; i++) {
                    for (var j = 0u; j < 4u; j++) {
                        let c = 4u * g + j;
                        row0_even[c][i] = mac4(v1[j], d[i], row0_even[c][i]);
                        row0_odd[c][i] = mac4(v0[j], next[i], mac4(v2[j], d[i], row0_odd[c][i]));
                        row1_even[c][i] = mac4(u1[j], d[i + 1u], mac4(w1[j], d[i], row1_even[c][i]));
                        let upper = mac4(w0[j], next[i], mac4(w2[j], d[i], row1_odd[c][i]));
                        row1_odd[c][i] = mac4(u0[j], next[i + 1u], mac4(u2[j], d[i + 1u], upper));
                    }
                }
            }
        }
        yi += Y_PLANE;
        wi += TAPS;
    }
    if (thread >= tiles * SETS_C) {
        return;
    }
    let place = Place((r * job.samples + n) * C, first_group, 2u * ty * TILE_ROWS, tx);
    store_group(&row0_even, &row0_odd, 0u, 0u, place);
    if (TILE_GROUPS > 1u) {
        store_group(&row0_even, &row0_odd, 0u, 1u, place);
    }
    if (TILE_GROUPS > 2u) {
        store_group(&row0_even, &row0_odd, 0u, 2u, place);
        store_group(&row0_even, &row0_odd, 0u, 3u, place);
    }
    // A 1x1 kernel does not reach odd rows: there is nothing to add to what is there already.
    if (KERNEL == 1u && ACCUMULATE) {
        return;
    }
    store_group(&row1_even, &row1_odd, 1u, 0u, place);
    if (TILE_GROUPS > 1u) {
        store_group(&row1_even, &row1_odd, 1u, 1u, place);
    }
    if (TILE_GROUPS > 2u) {
        store_group(&row1_even, &row1_odd, 1u, 2u, place);
        store_group(&row1_even, &row1_odd, 1u, 3u, place);
    }
}

// Four channels of the even (parity 0) or odd rows. A function and no loop over groups, for the reason that
// conv3x3_forward states.
fn store_group(even: ptr<function, Accumulators>, odd: ptr<function, Accumulators>, parity: u32, g: u32, place: Place) {
    for (var j = 0u; j < 4u; j++) {
        let c = (place.first_group + g) * 4u + j;
        for (var i = 0u; i < TILE_ROWS; i++) {
            let h = place.row + 2u * i + parity;
            if (c < C && h < HEIGHT) {
                let at = (place.first_plane + c) * X_PLANE + (h + 1u) * X_ROW + 1u + 2u * place.tx;
                store(at, place.tx, (*even)[4u * g + j][i], (*odd)[4u * g + j][i]);
            }
        }
    }
}

// Eight pixels of a row of dx, interleaved from their even and odd columns.
fn store(at: u32, tx: u32, even: vec4f, odd: vec4f) {
    store_quad(at, tx * 8u, vec4f(even.x, odd.x, even.y, odd.y));
    if (tx * 8u + 4u < WIDTH) {
        store_quad(at + 1u, tx * 8u + 4u, vec4f(even.z, odd.z, even.w, odd.w));
    }
}

fn store_quad(at: u32, column: u32, pixels: vec4f) {
    var value = pixels * column_mask(column, WIDTH);
    if (ACCUMULATE) {
        value += dx[at];
    }
    dx[at] = value;
}

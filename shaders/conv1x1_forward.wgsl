#import mac
// 1x1 convolution, stride 1 or 2, no padding: y[n,k,h,w] = sum over c of w[k,c] * x[n,c,S h,S w].
// With stride 1 also the gradient by the input, with weights packed transposed.
// A thread computes TILE_ROWS x 4 pixels of TILE_GROUPS x 4 output channels. Order: c.
// Constants: C, K, HEIGHT, WIDTH (output), STRIDE, X_ROW, X_PLANE, Y_ROW, Y_PLANE, TILE_ROWS, TILE_GROUPS (1, 2
// or 4), SHARED_INPUT, ACCUMULATE.

@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> packed: array<vec4f>; // [R][K/4][C], four k in a vector
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

const TILES_X = (WIDTH + 3u) / 4u;
const TILES_Y = (HEIGHT + TILE_ROWS - 1u) / TILE_ROWS;
const GROUPS_K = (K + 3u) / 4u;
const SETS_K = (GROUPS_K + TILE_GROUPS - 1u) / TILE_GROUPS;

alias Accumulators = array<array<vec4f, TILE_ROWS>, 4u * TILE_GROUPS>; // [k][row]

// First pixel of a thread's tile: sample of all replicas, row, vector of four columns.
struct Place {
    sample: u32,
    row: u32,
    tx: u32,
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tiles = TILES_X * TILES_Y * job.samples;
    let thread = (job.first_tile + tile.x) * 64u + lane;
    let t = min(thread, tiles * SETS_K - 1u);
    let tx = t % TILES_X;
    let ty = (t / TILES_X) % TILES_Y;
    let n = (t / (TILES_X * TILES_Y)) % job.samples;
    let first_group = (t / tiles) * TILE_GROUPS;
    let r = tile.y;

    let input_sample = select(r * job.samples + n, n, SHARED_INPUT);
    var xi = input_sample * C * X_PLANE + (STRIDE * ty * TILE_ROWS + 1u) * X_ROW + 1u + STRIDE * tx;
    let wi = (r * job.packed_stride) / 4u;
    var acc: Accumulators;
    for (var c = 0u; c < C; c++) {
        var v: array<vec4f, TILE_ROWS>;
        for (var i = 0u; i < TILE_ROWS; i++) {
            v[i] = x[xi + i * STRIDE * X_ROW];
            if (STRIDE == 2u) {
                v[i] = vec4f(v[i].xz, x[xi + i * STRIDE * X_ROW + 1u].xz);
            }
        }
        for (var g = 0u; g < TILE_GROUPS; g++) {
            // A set may reach beyond K: it reads the last group again and writes nothing.
            let w = packed[wi + min(first_group + g, GROUPS_K - 1u) * C + c];
            for (var i = 0u; i < TILE_ROWS; i++) {
                acc[4u * g][i] = mac4(w.x, v[i], acc[4u * g][i]);
                acc[4u * g + 1u][i] = mac4(w.y, v[i], acc[4u * g + 1u][i]);
                acc[4u * g + 2u][i] = mac4(w.z, v[i], acc[4u * g + 2u][i]);
                acc[4u * g + 3u][i] = mac4(w.w, v[i], acc[4u * g + 3u][i]);
            }
        }
        xi += X_PLANE;
    }
    if (thread >= tiles * SETS_K) {
        return;
    }
    let place = Place(r * job.samples + n, ty * TILE_ROWS, tx);
    store_group(&acc, 0u, first_group, place);
    if (TILE_GROUPS > 1u) {
        store_group(&acc, 1u, first_group, place);
    }
    if (TILE_GROUPS > 2u) {
        store_group(&acc, 2u, first_group, place);
        store_group(&acc, 3u, first_group, place);
    }
}

// Four output channels. A function and no loop over groups, for the reason that conv3x3_forward states.
fn store_group(acc: ptr<function, Accumulators>, g: u32, first_group: u32, place: Place) {
    let mask = column_mask(place.tx * 4u, WIDTH);
    for (var j = 0u; j < 4u; j++) {
        let k = (first_group + g) * 4u + j;
        for (var i = 0u; i < TILE_ROWS; i++) {
            let h = place.row + i;
            if (k < K && h < HEIGHT) {
                let at = (place.sample * K + k) * Y_PLANE + (h + 1u) * Y_ROW + 1u + place.tx;
                var value = (*acc)[4u * g + j][i] * mask;
                if (ACCUMULATE) {
                    value += y[at];
                }
                y[at] = value;
            }
        }
    }
}

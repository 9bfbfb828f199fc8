#import place
// The nine taps of a 3x3 convolution with stride 1 on a tile of TILE_ROWS x 4 pixels and GROUPS groups of 4 output channels.
// The importing shader declares TILE_ROWS, GROUPS (1, 2 or 4), mac.wgsl, the planes' K, HEIGHT, WIDTH, ROW and PLANE,
// ACCUMULATE, `y`, and weight(i: u32) -> vec4f, one tap of four output channels.

// The input of a tile from one channel: columns w - 1 ... w + 4.
struct Pixels {
    left: array<f32, TILE_ROWS + 2u>,
    middle: array<vec4f, TILE_ROWS + 2u>,
    right: array<f32, TILE_ROWS + 2u>,
}

alias Accumulators = array<array<vec4f, TILE_ROWS>, 4>; // sums of a group: [k][row]

// Adds the three taps of one kernel row for a group. This is a function instead of a loop over kh and groups, and each group has
// its own array: compilers limit unrolling, and would otherwise not unroll the loop over the rows of a tall tile. Its arrays
// would then be in memory.
fn add_taps(acc: ptr<function, Accumulators>, p: ptr<function, Pixels>, kh: u32, wi: u32) {
    let w0 = weight(wi + kh * 3u);
    let w1 = weight(wi + kh * 3u + 1u);
    let w2 = weight(wi + kh * 3u + 2u);
    for (var i = 0u; i < TILE_ROWS; i++) {
        let x1 = (*p).middle[i + kh];
        let x0 = vec4f((*p).left[i + kh], x1.xyz);
        let x2 = vec4f(x1.yzw, (*p).right[i + kh]);
        (*acc)[0][i] = mac4(w2.x, x2, mac4(w1.x, x1, mac4(w0.x, x0, (*acc)[0][i])));
        (*acc)[1][i] = mac4(w2.y, x2, mac4(w1.y, x1, mac4(w0.y, x0, (*acc)[1][i])));
        (*acc)[2][i] = mac4(w2.z, x2, mac4(w1.z, x1, mac4(w0.z, x0, (*acc)[2][i])));
        (*acc)[3][i] = mac4(w2.w, x2, mac4(w1.w, x1, mac4(w0.w, x0, (*acc)[3][i])));
    }
}

// Adds the nine taps for a group, whose weights begin at `wi`.
fn add_group(acc: ptr<function, Accumulators>, p: ptr<function, Pixels>, wi: u32) {
    add_taps(acc, p, 0u, wi);
    add_taps(acc, p, 1u, wi);
    add_taps(acc, p, 2u, wi);
}

// Writes group `nth` of the tile, except channels beyond K and rows beyond HEIGHT.
fn store_group(acc: ptr<function, Accumulators>, to: Place, nth: u32) {
    let mask = column_mask(to.tx * 4u, WIDTH);
    for (var j = 0u; j < 4u; j++) {
        let k = (to.group + nth) * 4u + j;
        for (var i = 0u; i < TILE_ROWS; i++) {
            let h = to.row + i;
            if (k < K && h < HEIGHT) {
                let at = (to.sample * K + k) * PLANE + (h + 1u) * ROW + 1u + to.tx;
                let value = (*acc)[j][i] * mask;
                if (ACCUMULATE) {
                    y[at] = opaque4(opaque4(value) + y[at]);
                } else {
                    y[at] = value;
                }
            }
        }
    }
}

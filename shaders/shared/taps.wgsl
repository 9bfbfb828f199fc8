// The nine taps of a 3x3 convolution with stride 1 on a tile of TILE_ROWS x 4 pixels and 4 output channels. Who imports it
// declares TILE_ROWS, mac.wgsl, the planes' K, HEIGHT, WIDTH, ROW and PLANE, ACCUMULATE, `y`, and
// weight(i: u32) -> vec4f, one tap of four output channels.

alias Scalars = array<f32, TILE_ROWS + 2u>;
alias Vectors = array<vec4f, TILE_ROWS + 2u>;
alias Accumulators = array<array<vec4f, TILE_ROWS>, 4>; // [k][row]

// The three taps of one kernel row. A function and no loop over kh: compilers that unroll only so much leave the loop
// over the rows of a tall tile alone otherwise, and its arrays go to memory.
fn add_taps(
    acc: ptr<function, Accumulators>,
    left: ptr<function, Scalars>,
    middle: ptr<function, Vectors>,
    right: ptr<function, Scalars>,
    kh: u32,
    wi: u32,
) {
    let w0 = weight(wi + kh * 3u);
    let w1 = weight(wi + kh * 3u + 1u);
    let w2 = weight(wi + kh * 3u + 2u);
    for (var i = 0u; i < TILE_ROWS; i++) {
        let m = (*middle)[i + kh];
        let x0 = vec4f((*left)[i + kh], m.xyz);
        let x2 = vec4f(m.yzw, (*right)[i + kh]);
        (*acc)[0][i] = mac4(w2.x, x2, mac4(w1.x, m, mac4(w0.x, x0, (*acc)[0][i])));
        (*acc)[1][i] = mac4(w2.y, x2, mac4(w1.y, m, mac4(w0.y, x0, (*acc)[1][i])));
        (*acc)[2][i] = mac4(w2.z, x2, mac4(w1.z, m, mac4(w0.z, x0, (*acc)[2][i])));
        (*acc)[3][i] = mac4(w2.w, x2, mac4(w1.w, m, mac4(w0.w, x0, (*acc)[3][i])));
    }
}

// `sample` counts replicas, too; channels beyond K and rows beyond HEIGHT are not written.
fn store_tile(acc: ptr<function, Accumulators>, sample: u32, first_k: u32, first_row: u32, tx: u32) {
    let mask = column_mask(tx * 4u, WIDTH);
    for (var j = 0u; j < 4u; j++) {
        let k = first_k + j;
        for (var i = 0u; i < TILE_ROWS; i++) {
            let h = first_row + i;
            if (k < K && h < HEIGHT) {
                let at = (sample * K + k) * PLANE + (h + 1u) * ROW + 1u + tx;
                var value = (*acc)[j][i] * mask;
                if (ACCUMULATE) {
                    value += y[at];
                }
                y[at] = value;
            }
        }
    }
}

// A thread's tile of a weight gradient with stride 1: 9 taps of TILE_K output x TILE_C input channels. The importing shader
// declares mac.wgsl, C, K, TILE_C (at most 8), TILE_K (at most 16), the output array `partial`, and strip(i: u32) -> vec4f,
// four columns of dy.

// A large tile has up to four parts with separate sums and calls: compilers limit unrolling, and would not unroll a loop over
// the whole tile. Its arrays would then be in memory.
const PART_K = min(TILE_K, 32u / TILE_C);
const PARTS = TILE_K / PART_K;
const_assert PARTS * PART_K == TILE_K && (PARTS == 1u || PARTS == 2u || PARTS == 4u);

// Columns w - 1 ... w + 4 of a row of x.
struct Window {
    left: f32,
    middle: vec4f,
    right: f32,
}

alias Windows = array<Window, TILE_C>; // [c]
alias Channels = array<u32, TILE_K>; // [k], offset of each channel
alias Taps = array<array<array<vec3f, 3>, TILE_C>, PART_K>; // sums of a part: [k][c][kh], lanes are kw

fn add_row(d: vec4f, v: Window, acc: vec3f) -> vec3f {
    return mac3(d.w, vec3f(v.middle.zw, v.right), mac3(d.z, v.middle.yzw, mac3(d.y, v.middle.xyz, mac3(d.x, vec3f(v.left, v.middle.xy), acc))));
}

// Adds the products of three rows of x with the row of dy at `yi`, for the part that begins at output channel k.
fn add_part(
    acc: ptr<function, Taps>,
    v0: ptr<function, Windows>,
    v1: ptr<function, Windows>,
    v2: ptr<function, Windows>,
    ks: ptr<function, Channels>,
    yi: u32,
    k: u32,
) {
    for (var j = 0u; j < PART_K; j++) {
        let d = strip(yi + (*ks)[k + j]);
        for (var l = 0u; l < TILE_C; l++) {
            (*acc)[j][l][0] = add_row(d, (*v0)[l], (*acc)[j][l][0]);
            (*acc)[j][l][1] = add_row(d, (*v1)[l], (*acc)[j][l][1]);
            (*acc)[j][l][2] = add_row(d, (*v2)[l], (*acc)[j][l][2]);
        }
    }
}

// Writes a part, except channels beyond C and K. `block` is an index over the blocks of all replicas.
fn store_part(acc: ptr<function, Taps>, block: u32, c: u32, k: u32) {
    for (var l = 0u; l < TILE_C; l++) {
        for (var j = 0u; j < PART_K; j++) {
            if (k + j < K && c + l < C) {
                let at = ((block * K + k + j) * C + c + l) * 9u;
                for (var kh = 0u; kh < 3u; kh++) {
                    partial[at + kh * 3u] = (*acc)[j][l][kh].x;
                    partial[at + kh * 3u + 1u] = (*acc)[j][l][kh].y;
                    partial[at + kh * 3u + 2u] = (*acc)[j][l][kh].z;
                }
            }
        }
    }
}

// A thread's tile of a weight gradient with stride 1: 9 taps of TILE_K output x TILE_C input channels. Who imports it declares
// mac.wgsl, C, K, TILE_C, TILE_K and `partial`, the array that the tile goes to.

// Columns w - 1 ... w + 4 of a row of x.
struct Window {
    left: f32,
    middle: vec4f,
    right: f32,
}

alias Windows = array<Window, TILE_C>; // [c]
alias Taps = array<array<array<vec3f, 3>, TILE_C>, TILE_K>; // [k][c][kh], lanes are kw

fn add_row(d: vec4f, v: Window, acc: vec3f) -> vec3f {
    return mac3(d.w, vec3f(v.middle.zw, v.right), mac3(d.z, v.middle.yzw, mac3(d.y, v.middle.xyz, mac3(d.x, vec3f(v.left, v.middle.xy), acc))));
}

// `block` counts replicas, too; channels beyond C and K are not written.
fn store_taps(acc: ptr<function, Taps>, block: u32, c: u32, k: u32) {
    for (var l = 0u; l < TILE_C; l++) {
        for (var j = 0u; j < TILE_K; j++) {
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

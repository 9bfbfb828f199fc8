#import division
#import mac
#import quad
// g[n,c,h,w] = dfeature[n,c] / (H W). A thread computes 4 columns of a row.
// Constants: C, HEIGHT, WIDTH, ROW, PLANE (vec4 units).

@group(0) @binding(1) var<storage, read> dfeatures: array<f32>;   // [R][N][C]
@group(0) @binding(2) var<storage, read_write> g: array<vec4f>;   // planes [R][N][C]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let own = own_quad(tile, lane, HEIGHT, QUADS);
    if (!own.is_own) {
        return;
    }
    let value = quotient(dfeatures[own.plane], f32(HEIGHT * WIDTH));
    g[own.plane * PLANE + (own.row + 1u) * ROW + 1u + own.quad] = value * column_mask(own.quad * 4u, WIDTH);
}

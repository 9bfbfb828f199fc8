#import mac
#import activation
#import quad
// a = activation(y), without batch norm (the one-layer network). A thread computes 4 columns of a row.
// Constants: C, HEIGHT, WIDTH, ROW, PLANE (vec4 units), ACTIVATION, BETA.

@group(0) @binding(1) var<storage, read> y: array<vec4f>;         // planes [R][N][C]
@group(0) @binding(2) var<storage, read_write> a: array<vec4f>;   // planes [R][N][C]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let own = own_quad(tile, lane, HEIGHT, QUADS);
    if (!own.is_own) {
        return;
    }
    let at = own.plane * PLANE + (own.row + 1u) * ROW + 1u + own.quad;
    a[at] = masked(activate(y[at]), own.quad * 4u, WIDTH);
}

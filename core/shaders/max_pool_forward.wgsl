#import mac
#import quad
#import window
// 2x2 max pool, stride 2: y[n,c,h,w] = max of x[n,c,2h..2h+2,2w..2w+2]. A thread computes 4 columns of a row of y.
// Constants: C, HEIGHT, WIDTH (of y), X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units).

@group(0) @binding(1) var<storage, read> x: array<vec4f>;         // planes [R][N][C], 2 HEIGHT x 2 WIDTH pixels
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;   // planes [R][N][C]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let own = own_quad(tile, lane, HEIGHT, QUADS);
    if (!own.is_own) {
        return;
    }
    // If a row of x ends within these 8 columns, the thread reads the next row's border, which the mask removes.
    let top = own.plane * X_PLANE + (2u * own.row + 1u) * X_ROW + 1u + 2u * own.quad;
    let bottom = top + X_ROW;
    let value = vec4f(window_max(x[top], x[bottom]), window_max(x[top + 1u], x[bottom + 1u]));
    y[own.plane * Y_PLANE + (own.row + 1u) * Y_ROW + 1u + own.quad] = value * column_mask(own.quad * 4u, WIDTH);
}

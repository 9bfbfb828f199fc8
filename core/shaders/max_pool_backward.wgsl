#import quad
#import window
// Gradient of the 2x2 max pool: dx[n,c,..] = dy[n,c,h,w] at the first largest pixel of its window in row order, else 0.
// Each gradient goes to one pixel, and every pixel is written. A thread computes 4 columns of the 2 rows of x that belong to
// one row of y.
// Constants: C, HEIGHT, WIDTH (of y), X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units).

@group(0) @binding(1) var<storage, read> x: array<vec4f>;          // planes [R][N][C], 2 HEIGHT x 2 WIDTH pixels
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;         // planes [R][N][C]
@group(0) @binding(3) var<storage, read_write> dx: array<vec4f>;   // planes like x

const X_QUADS = (WIDTH + 1u) / 2u;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let own = own_quad(tile, lane, HEIGHT, X_QUADS);
    if (!own.is_own) {
        return;
    }
    let top_at = own.plane * X_PLANE + (2u * own.row + 1u) * X_ROW + 1u + own.quad;
    let bottom_at = top_at + X_ROW;
    // Beyond the last column dy is zero, and so are the values written.
    let four = dy[own.plane * Y_PLANE + (own.row + 1u) * Y_ROW + 1u + own.quad / 2u];
    let g = select(four.xy, four.zw, own.quad % 2u == 1u);

    let top = x[top_at];
    let bottom = x[bottom_at];
    let most = window_max(top, bottom);
    let zero = vec2f(0.0);
    let first = top.xz == most;
    let second = !first & (top.yw == most);
    let third = !(first | second) & (bottom.xz == most);
    let fourth = !(first | second | third);
    let a = select(zero, g, first);
    let b = select(zero, g, second);
    let c = select(zero, g, third);
    let d = select(zero, g, fourth);
    dx[top_at] = vec4f(a.x, b.x, a.y, b.y);
    dx[bottom_at] = vec4f(c.x, d.x, c.y, d.y);
}

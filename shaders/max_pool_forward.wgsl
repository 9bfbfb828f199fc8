#import mac
#import window
// 2x2 max pool, stride 2: y[n,c,h,w] = max of x[n,c,2h..2h+2,2w..2w+2]. A thread computes 4 columns of a row of y.
// Constants: C, HEIGHT, WIDTH (of y), X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units).

@group(0) @binding(1) var<storage, read> x: array<vec4f>;         // planes [R][N][C], 2 HEIGHT x 2 WIDTH pixels
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;   // planes [R][N][C]

const QUADS = (WIDTH + 3u) / 4u;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let t = (job.first_tile + tile.x) * 64u + lane;
    if (t >= job.samples * C * HEIGHT * QUADS) {
        return;
    }
    let quad = t % QUADS;
    let h = (t / QUADS) % HEIGHT;
    let plane = tile.y * job.samples * C + t / (QUADS * HEIGHT);
    // If a row of x ends within these 8 columns, the thread reads the next row's border, which the mask removes.
    let top = plane * X_PLANE + (2u * h + 1u) * X_ROW + 1u + 2u * quad;
    let bottom = top + X_ROW;
    let value = vec4f(window_max(x[top], x[bottom]), window_max(x[top + 1u], x[bottom + 1u]));
    y[plane * Y_PLANE + (h + 1u) * Y_ROW + 1u + quad] = value * column_mask(quad * 4u, WIDTH);
}

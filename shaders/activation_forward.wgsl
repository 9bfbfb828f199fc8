#import mac
#import activation
// a = activation(y), without batch norm (the one-layer network). A thread computes 4 columns of a row.
// Constants: C, HEIGHT, WIDTH, ROW, PLANE (vec4 units), ACTIVATION, BETA.

@group(0) @binding(1) var<storage, read> y: array<vec4f>;         // planes [R][N][C]
@group(0) @binding(2) var<storage, read_write> a: array<vec4f>;   // planes [R][N][C]

const QUADS = (WIDTH + 3u) / 4u;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let t = (job.first_tile + tile.x) * 64u + lane;
    if (t >= job.samples * C * HEIGHT * QUADS) {
        return;
    }
    let quad = t % QUADS;
    let h = (t / QUADS) % HEIGHT;
    let plane = (tile.y * job.samples * C + t / (QUADS * HEIGHT)) * PLANE;
    let at = plane + (h + 1u) * ROW + 1u + quad;
    a[at] = activate(y[at]) * column_mask(quad * 4u, WIDTH);
}

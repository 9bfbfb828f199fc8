#import division
#import mac
// Global average pool: feature[n,c] = mean over h, w of a[n,c,h,w]. A thread computes one plane.
// Order: lane l of a vector adds columns l, l + 4, ... of each row, then the rows; then the four lanes are added.
// Constants: C, HEIGHT, WIDTH, ROW, PLANE (vec4 units).

@group(0) @binding(1) var<storage, read> a: array<vec4f>;               // planes [R][N][C]
@group(0) @binding(2) var<storage, read_write> features: array<f32>;    // [R][N][C]

const QUADS = (WIDTH + 3u) / 4u;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let t = (job.first_tile + tile.x) * 64u + lane;
    if (t >= job.samples * C) {
        return;
    }
    let plane = (tile.y * job.samples * C + t) * PLANE;
    var total = vec4f(0.0);
    for (var h = 0u; h < HEIGHT; h++) {
        var row = vec4f(0.0);
        for (var q = 0u; q < QUADS; q++) {
            row = opaque4(row + a[plane + (h + 1u) * ROW + 1u + q]);
        }
        total = opaque4(total + row);
    }
    features[tile.y * job.samples * C + t] = quotient(lane_sum(total), f32(HEIGHT * WIDTH));
}

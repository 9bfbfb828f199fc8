#import activation
// g <- g * activation'(z) of features, in place. A thread computes one feature.
// Constants: ACTIVATION, BETA. job.elements: features of a replica.

@group(0) @binding(1) var<storage, read> z: array<f32>;         // [R][N][C]
@group(0) @binding(2) var<storage, read_write> g: array<f32>;   // [R][N][C]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let i = (job.first_tile + tile.x) * 64u + lane;
    if (i >= job.elements) {
        return;
    }
    let at = tile.y * job.elements + i;
    g[at] *= activate_slope(vec4f(z[at])).x;
}

#import leaves
#import opaque
#import pairwise
// Sums the leaves of each channel that bn_backward_reduce wrote: the gradient by the bias (sum g). Order: lane l adds leaves l, l + 64,
// ... in turn; the lanes are added pairwise. One workgroup per channel. Constants: C, HEIGHT, WIDTH, IMAGES.

@group(0) @binding(1) var<storage, read> leaves: array<vec2f>;           // [R][C][leaves]: sum g, unused
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;     // arena from the layer's bias

alias Part = f32;

fn combine(a: Part, b: Part) -> Part {
    return a + b;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n_leaves = leaf_count();
    let c = job.first_tile + tile.x;
    var part = 0.0;
    for (var i = lane; i < n_leaves; i += 64u) {
        part = opaque(part + leaves[(tile.y * C + c) * n_leaves + i].x);
    }
    let total = combine_lanes(part, lane);
    if (lane == 0u) {
        gradient[tile.y * job.parameter_stride + c] = total;
    }
}

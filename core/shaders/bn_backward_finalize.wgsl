#import division
#import leaves
#import opaque
#import pairwise
// Sums the leaves of each channel: the gradients by shift (sum g) and scale (sum g * normalized), and their means for
// bn_backward_apply. Order: lane l adds leaves l, l + 64, ... in turn; the lanes are added pairwise.
// One workgroup per channel. Constants: C, HEIGHT, WIDTH, IMAGES.

@group(0) @binding(1) var<storage, read> leaves: array<vec2f>;                 // [R][C][leaves]
@group(0) @binding(2) var<storage, read_write> scale_gradient: array<f32>;     // arena from the layer's scale
@group(0) @binding(3) var<storage, read_write> means: array<vec2f>;            // [R][C]: mean g, mean g * normalized

alias Part = vec2f;

fn combine(a: Part, b: Part) -> Part {
    return a + b;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n_leaves = leaf_count();
    let c = job.first_tile + tile.x;
    let r = tile.y;
    var part = vec2f(0.0);
    for (var i = lane; i < n_leaves; i += 64u) {
        part = opaque2(part + leaves[(r * C + c) * n_leaves + i]);
    }
    let total = combine_lanes(part, lane);
    if (lane == 0u) {
        // job.scale_to_shift: elements from the layer's scale to its shift in the arena.
        scale_gradient[r * job.parameter_stride + c] = total.y;
        scale_gradient[r * job.parameter_stride + job.scale_to_shift + c] = total.x;
        let count = f32(job.samples * HEIGHT * WIDTH);
        means[r * C + c] = vec2f(quotient(total.x, count), quotient(total.y, count));
    }
}

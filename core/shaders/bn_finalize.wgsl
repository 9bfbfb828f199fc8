#import chan
#import leaves
#import pairwise
#import root
// Merges the leaves of each channel into batch mean and variance, updates the running statistics (momentum 0.1, unbiased
// variance) and writes the coefficients of the channel for the other kernels.
// Order: lane l merges leaves l, l + 64, ... in turn; the lanes are merged pairwise. One workgroup per channel.
// Constants: C, HEIGHT, WIDTH, IMAGES, EPSILON, MOMENTUM.

@group(0) @binding(1) var<storage, read> leaves: array<vec2f>;             // [R][C][leaves]: mean, M2
@group(0) @binding(2) var<storage, read> scale: array<f32>;                // arena from the layer's scale
@group(0) @binding(3) var<storage, read> shift: array<f32>;                // arena from the layer's shift
@group(0) @binding(4) var<storage, read_write> running: array<f32>;        // arena of statistics from the mean
@group(0) @binding(5) var<storage, read_write> channels: array<vec4f>;     // [R][C]: mean, 1/sqrt(var+eps), scale, shift

alias Part = vec3f;

fn combine(a: Part, b: Part) -> Part {
    return chan_merge(a, b);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n_leaves = leaf_count();
    let c = job.first_tile + tile.x;
    let r = tile.y;
    let base = (r * C + c) * n_leaves;
    var part = vec3f(0.0);
    for (var i = lane; i < n_leaves; i += 64u) {
        let own = leaf(i);
        let columns = min(4u, WIDTH - own.quad * 4u);
        part = chan_merge(part, vec3f(f32(own.images * columns), leaves[base + i]));
    }
    let total = combine_lanes(part, lane);
    if (lane == 0u) {
        let variance = quotient(total.z, total.x);
        let p = r * job.parameter_stride + c;
        channels[r * C + c] = vec4f(total.y, quotient(1.0, root(variance + EPSILON)), scale[p], shift[p]);
        let s = r * job.running_stride + c;
        let unbiased = quotient(total.z, max(total.x - 1.0, 1.0));
        running[s] = opaque(fma(MOMENTUM, total.y - running[s], running[s]));
        // job.mean_to_variance: elements from the layer's mean to its variance in the arena.
        let v = s + job.mean_to_variance;
        running[v] = fma(MOMENTUM, unbiased - running[v], running[v]);
    }
}

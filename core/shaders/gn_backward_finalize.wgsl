#import division
#import mac
// From the sums of gn_backward_reduce: the means of scale * g and scale * g * normalized over each sample and group for
// gn_backward_apply, channels in turn, and the gradients by shift (sum g) and scale (sum g * normalized), samples in turn.
// A thread computes a sample's group, or a channel. Constants: C, HEIGHT, WIDTH, GROUP.

@group(0) @binding(1) var<storage, read> sums: array<vec2f>;                   // [R][N][C]: sum g, sum g * normalized
@group(0) @binding(2) var<storage, read> scale: array<f32>;                    // arena from the layer's scale
@group(0) @binding(3) var<storage, read_write> scale_gradient: array<f32>;     // arena from the layer's scale
@group(0) @binding(4) var<storage, read_write> means: array<vec2f>;            // [R][N][C / GROUP]

const GROUPS = C / GROUP;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let t = (job.first_tile + tile.x) * 64u + lane;
    let groups = job.samples * GROUPS;
    let first_sample = tile.y * job.samples;
    let p = tile.y * job.parameter_stride;
    if (t < groups) {
        let first = (t % GROUPS) * GROUP;
        var total = vec2f(0.0);
        for (var i = 0u; i < GROUP; i++) {
            let sum = sums[(first_sample + t / GROUPS) * C + first + i];
            total = fma(vec2f(scale[p + first + i]), sum, total);
        }
        let count = f32(GROUP * HEIGHT * WIDTH);
        means[tile.y * groups + t] = vec2f(quotient(total.x, count), quotient(total.y, count));
    } else if (t < groups + C) {
        let c = t - groups;
        var total = vec2f(0.0);
        for (var n = 0u; n < job.samples; n++) {
            total = opaque2(total + sums[(first_sample + n) * C + c]);
        }
        // job.scale_to_shift: elements from the layer's scale to its shift in the arena.
        scale_gradient[p + c] = total.y;
        scale_gradient[p + job.scale_to_shift + c] = total.x;
    }
}

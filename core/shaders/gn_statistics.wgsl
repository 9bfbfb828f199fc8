#import chan
#import leaves
#import mac
#import pairwise
#import root
// Group norm (Wu & He 2018): mean and variance of each sample and group of GROUP neighbouring channels, and the coefficients of each
// sample and channel for bn_apply and the backward pass.
//
// The quads (4 columns of a row) of a group are ordered by channel, row and column; lane l takes quads l, l + 64, ... in turn, distances
// taken from its first value to avoid cancellation (never E[x^2] - E[x]^2). The lanes are merged pairwise by Chan's formula.
// One workgroup per sample and group. Constants: C, HEIGHT, WIDTH, ROW, PLANE (vec4 units), IMAGES (1), GROUP, EPSILON.

@group(0) @binding(1) var<storage, read> y: array<vec4f>;                  // planes [R][N][C]
@group(0) @binding(2) var<storage, read> scale: array<f32>;                // arena from the layer's scale
@group(0) @binding(3) var<storage, read> shift: array<f32>;                // arena from the layer's shift
@group(0) @binding(4) var<storage, read_write> channels: array<vec4f>;     // [R][N][C]: mean, 1/sqrt(var+eps), scale, shift

const GROUPS = C / GROUP;

alias Part = vec3f;

fn combine(a: Part, b: Part) -> Part {
    return chan_merge(a, b);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let item = job.first_tile + tile.x;
    let sample = tile.y * job.samples + item / GROUPS;
    let first = (item % GROUPS) * GROUP;
    var part = vec3f(0.0);
    if (lane < GROUP * POSITIONS) {
        let plane = sample * C + first;
        var columns = 0u;
        var origin = vec4f(0.0);
        var sum = vec4f(0.0);
        var squares = vec4f(0.0);
        for (var i = lane; i < GROUP * POSITIONS; i += 64u) {
            let position = leaf(i % POSITIONS);
            let value = y[(plane + i / POSITIONS) * PLANE + (position.row + 1u) * ROW + 1u + position.quad];
            if (i == lane) {
                origin = vec4f(value.x);
            }
            var d = opaque4(value - origin);
            if (WIDTH % 4u != 0u) {
                d = opaque4(d * column_mask(position.quad * 4u, WIDTH));
            }
            sum = opaque4(sum + d);
            squares = fma(d, d, squares);
            columns += min(4u, WIDTH - position.quad * 4u);
        }
        let count = f32(columns);
        let s = lane_sum(sum);
        let offset = quotient(s, count);
        part = vec3f(count, origin.x + offset, max(fma(-s, offset, opaque(lane_sum(squares))), 0.0));
    }
    let total = combine_lanes(opaque3(part), lane);
    if (lane < GROUP) {
        let deviation = root(quotient(total.z, total.x) + EPSILON);
        let p = tile.y * job.parameter_stride + first + lane;
        channels[sample * C + first + lane] = vec4f(total.y, quotient(1.0, deviation), scale[p], shift[p]);
    }
}

#import mac
#import activation
#import leaves
#import norm
#import pairwise
// Backward pass of group norm through the activation, g <- g * activation'(z) in place (also the gradient by the shortcut), and the
// sums of g and g * normalized over the pixels of each sample and channel.
//
// Order: lane l takes quads l, l + 64, ... of the plane in turn, then its 4 columns are added; the lanes are added pairwise.
// One workgroup per sample and channel. Constants: C, HEIGHT, WIDTH, ROW, PLANE (vec4 units), IMAGES (1), SHORTCUT, ACTIVATION, BETA.

@group(0) @binding(1) var<storage, read> y: array<vec4f>;               // planes [R][N][C]
@group(0) @binding(2) var<storage, read> channels: array<vec4f>;        // [R][N][C]
@group(0) @binding(3) var<storage, read> shortcut: array<vec4f>;        // planes; y without SHORTCUT
@group(0) @binding(4) var<storage, read_write> g: array<vec4f>;         // planes [R][N][C]
@group(0) @binding(5) var<storage, read_write> sums: array<vec2f>;      // [R][N][C]: sum g, sum g * normalized

alias Part = vec2f;

fn combine(a: Part, b: Part) -> Part {
    return a + b;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let plane = tile.y * job.samples * C + job.first_tile + tile.x;
    let channel = channels[plane];
    var sum = vec4f(0.0);
    var products = vec4f(0.0);
    for (var i = lane; i < POSITIONS; i += 64u) {
        let position = leaf(i);
        let at = plane * PLANE + (position.row + 1u) * ROW + 1u + position.quad;
        let normalized = normalize(y[at], channel);
        var d = g[at];
        if (ACTIVATION != 0u) {
            var z = scale_and_shift(normalized, channel);
            if (SHORTCUT) {
                z = opaque4(z) + shortcut[at];
            }
            d = opaque4(d * activate_slope(z));
            g[at] = d;
        }
        sum = opaque4(sum + d);
        products = fma(d, normalized, products);
    }
    let total = combine_lanes(opaque2(vec2f(lane_sum(sum), lane_sum(products))), lane);
    if (lane == 0u) {
        sums[plane] = total;
    }
}

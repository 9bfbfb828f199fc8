#import mac
#import activation
#import leaves
#import norm
// Backward pass through the activation, g <- g * activation'(z) in place (also the gradient by the shortcut), and the sums of
// g and g * normalized in each leaf, of which bn_backward_finalize computes the gradients by shift and scale.
// Leaves as in bn_statistics. Constants: C, HEIGHT, WIDTH, ROW, PLANE (vec4 units), IMAGES, SHORTCUT, ACTIVATION, BETA.

@group(0) @binding(1) var<storage, read> y: array<vec4f>;               // planes [R][N][C]
@group(0) @binding(2) var<storage, read> channels: array<vec4f>;        // [R][C]
@group(0) @binding(3) var<storage, read> shortcut: array<vec4f>;        // planes; y without SHORTCUT
@group(0) @binding(4) var<storage, read_write> g: array<vec4f>;         // planes [R][N][C]
@group(0) @binding(5) var<storage, read_write> leaves: array<vec2f>;    // [R][C][leaves]: sum g, sum g * normalized

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n_leaves = leaf_count();
    let t = (job.first_tile + tile.x) * 64u + lane;
    if (t >= n_leaves * C) {
        return;
    }
    let c = t / n_leaves;
    let own = leaf(t % n_leaves);
    let channel = channels[tile.y * C + c];

    var at = ((tile.y * job.samples + own.first) * C + c) * PLANE + (own.row + 1u) * ROW + 1u + own.quad;
    var sum = vec4f(0.0);
    var products = vec4f(0.0);
    for (var i = 0u; i < own.images; i++) {
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
        at += C * PLANE;
    }
    leaves[tile.y * C * n_leaves + t] = vec2f(lane_sum(sum), lane_sum(products));
}

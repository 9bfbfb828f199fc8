#import division
#import mac
#import leaves
// Mean and sum of squared distances of each leaf: 4 neighbouring pixels of one channel over up to 32 images.
// Distances are taken from the leaf's first value to avoid cancellation (never E[x^2] - E[x]^2).
// bn_finalize merges the leaves. Neighbouring lanes read neighbouring pixels.
// Constants: C, HEIGHT, WIDTH, ROW, PLANE (vec4 units), IMAGES.

@group(0) @binding(1) var<storage, read> y: array<vec4f>;                // planes [R][N][C]
@group(0) @binding(2) var<storage, read_write> leaves: array<vec2f>;     // [R][C][leaves]: mean, M2

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n_leaves = leaf_count();
    let t = (job.first_tile + tile.x) * 64u + lane;
    if (t >= n_leaves * C) {
        return;
    }
    let c = t / n_leaves;
    let own = leaf(t % n_leaves);
    let mask = column_mask(own.quad * 4u, WIDTH);

    var at = ((tile.y * job.samples + own.first) * C + c) * PLANE + (own.row + 1u) * ROW + 1u + own.quad;
    let shift = vec4f(y[at].x);
    var sum = vec4f(0.0);
    var squares = vec4f(0.0);
    for (var i = 0u; i < own.images; i++) {
        var d = opaque4(y[at] - shift);
        if (WIDTH % 4u != 0u) {
            d = opaque4(d * mask);
        }
        sum = opaque4(sum + d);
        squares = fma(d, d, squares);
        at += C * PLANE;
    }
    let count = lane_sum(mask) * f32(own.images);
    let s = lane_sum(sum);
    let offset = quotient(s, count);
    leaves[tile.y * C * n_leaves + t] = vec2f(shift.x + offset, max(fma(-s, offset, opaque(lane_sum(squares))), 0.0));
}
